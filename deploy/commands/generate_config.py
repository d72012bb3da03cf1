"""`xylem generate-config`: writes a commented configuration file, the short one or all of it."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from deploy.errors import StartRefused
from deploy.generating.reference import generate_config
from deploy.settings.loading import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--server-name", metavar="NAME", default="localhost", help="domain of the server's users"
    )
    parser.add_argument("--data-dir", metavar="FOLDER", help="where the server keeps its data")
    parser.add_argument(
        "--registration", choices=["open", "closed"], help="who may make an account"
    )
    parser.add_argument(
        "--all", action="store_true", help="write every setting, not only those decided first"
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="file to write; standard output if left out"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the file; an existing one is never overwritten."""
    chosen: dict[str, Any] = {"server_name": arguments.server_name}
    if arguments.data_dir:
        chosen["data_dir"] = arguments.data_dir
    if arguments.registration:
        chosen["userapi.registration"] = arguments.registration
    load_settings(None, {"XYLEM_SERVER_NAME": arguments.server_name})
    text = generate_config(chosen, with_all=arguments.all)
    output: Path | None = arguments.output
    if output is None:
        sys.stdout.write(text)
        return 0
    try:
        output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The file may come to hold secrets.
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise StartRefused(
            f"The file {output} exists already.", "Name another one with --output."
        ) from error
    except OSError as error:
        raise StartRefused(f"The file {output} cannot be written: {error.strerror}.") from error
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(text)
    print(f"Wrote {output}. Start the server with: xylem monolith --config {output}")
    return 0
