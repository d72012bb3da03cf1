"""The runs of an embedded log: one for each time that it was opened, with where it ended.

A log that was restored from a backup lacks the runs since then, and the run of the backup ended
where the backup does: so tokens of what is lost are told from all others, whatever is written
later.
"""

import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from base.durable_folder import sync_folder
from logs.embedded.segments import Segment
from logs.log import LogRun

_log: Final = logging.getLogger(__name__)

_FILE: Final = "runs"
_MOST: Final = 1000
"""Runs that are remembered; older tokens are as those of a log that nobody knows."""


class _StoredRun(msgspec.Struct, frozen=True):
    name: str
    ends: dict[str, list[int]] | None


def begin_run(folder: Path, last: Segment) -> list[LogRun]:
    """Note durably that the log is open again; return all runs, the present one last.

    `last` is the newest segment as it is now. Where the disk takes nothing, the present run is
    not known after the next start, and its tokens are void.
    """
    ends = {
        topic.name: [last.ends[number, place] for place in range(len(topic.next_offsets))]
        for number, topic in enumerate(last.header.topics)
    }
    runs = _ended(_stored(folder), ends)
    runs.append(LogRun(secrets.token_hex(8), None))
    runs = runs[-_MOST:]
    try:
        _store(folder, runs)
    except OSError:
        _log.warning("the run of the log could not be noted", exc_info=True)
    return runs


def _ended(runs: Sequence[LogRun], ends: Mapping[str, Sequence[int]]) -> list[LogRun]:
    return [run if run.ends is not None else LogRun(run.name, ends) for run in runs]


def _stored(folder: Path) -> list[LogRun]:
    """Return the runs so far, the last one without an end."""
    try:
        stored = msgspec.json.decode((folder / _FILE).read_bytes(), type=list[_StoredRun])
    except FileNotFoundError:
        # Of a version that did not tell runs apart, or new.
        return [LogRun("", None)]
    except msgspec.DecodeError:
        _log.warning("the runs of the log are unreadable: all sync tokens are void")
        return []
    return [LogRun(run.name, run.ends) for run in stored]


def _store(folder: Path, runs: Sequence[LogRun]) -> None:
    data = msgspec.json.encode([{"name": run.name, "ends": run.ends} for run in runs])
    new = folder / f"{_FILE}.new"
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.rename(folder / _FILE)
    sync_folder(folder)
