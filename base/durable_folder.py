"""Makes the names in a folder durable: what is new, renamed or deleted there stays so."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the folder's list of names durable. Raises `OSError`."""
    names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(names)
    finally:
        os.close(names)
