"""Where a reader stands still: at a record of a kind that this version does not know.

Such a record is never passed over, because nobody could tell afterwards what is missing. Readers
learn a kind before writers use it, so it is met only by a process that was not replaced in time, or
that was put back. It stands still, says so, is not ready, and goes on as a newer version.
"""

import logging
from typing import Final, NamedTuple

from logs.log import Record
from logs.topics import UnknownKind

_log: Final = logging.getLogger(__name__)


class UnknownRecord(NamedTuple):
    """A record that a reader waits at, in its partition, until a newer version is started."""

    topic: str
    partition: int
    offset: int
    kind: str


def stand_still(reader: str, record: Record, unknown: UnknownKind) -> UnknownRecord:
    """Say in the log that a reader goes no further than this record; return where it stands."""
    found = UnknownRecord(unknown.topic, record.partition, record.offset, unknown.kind)
    _log.error(
        "This process is too old for a record, and stands still at it: start a newer version",
        extra={"reader": reader, **found._asdict()},
    )
    return found


def advice(topic: str, partition: str, kind: str) -> str:
    """Return what a probe says of a partition whose reader stands still."""
    return (
        f"{topic}/{partition} has a record of the kind {kind!r}, which this version does not know: "
        "start a newer version."
    )
