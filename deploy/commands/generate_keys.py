"""`xylem generate-keys`: makes the key with which the server signs."""

import argparse
import os
from pathlib import Path

from deploy.process.data_directory import DataDirectory
from deploy.process.signing_key_file import write_new_signing_key
from deploy.settings.loading import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="file to write instead of the configured one"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write a new key; an existing one is never overwritten."""
    path: Path | None = arguments.output
    if path is None:
        path = DataDirectory(load_settings(arguments.config, os.environ)).signing_key_path
    key = write_new_signing_key(path)
    print(f"Wrote the signing key {key.key_id} to {path}. Keep a backup of it, and keep it secret.")
    return 0
