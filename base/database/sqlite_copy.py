"""Copies a SQLite file that may be in use, as it is at one instant."""

import contextlib
import sqlite3
from pathlib import Path

from base.database import sqlite_errors


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy what is committed to a new file, for its owner alone; writers are not held up.

    Blocks, for as long as it takes to copy the file. Raises `DatabaseOutage` and `DatabaseDamaged`.
    """
    target.touch(mode=0o600, exist_ok=False)
    with (
        sqlite_errors.told(),
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True)) as origin,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        # In one step: between two, the snapshot would be given up.
        origin.backup(copy, pages=-1)
