"""A folder that a command makes: it has its name once it is complete and on the disk."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from base.durable_folder import sync_folder
from deploy.errors import StartRefused


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to; at the end it becomes `folder`, for its owner alone.

    Where the context fails, nothing is left. Raises `StartRefused` where there is such a folder,
    and for every `OSError`.
    """
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    for path in (folder, unfinished):
        if path.exists():
            raise StartRefused(
                f"{path} is there already, and nothing is overwritten.",
                "Name another folder, or delete this one.",
            )
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir(mode=0o700)
        yield unfinished
        for path in (*sorted(unfinished.rglob("*"), reverse=True), unfinished):
            if path.is_dir():
                path.chmod(0o700)
                sync_folder(path)
            else:
                path.chmod(0o600)
                _sync_file(path)
        unfinished.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise StartRefused(f"The folder {folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
