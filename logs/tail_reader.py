"""Reads topics beside their consumers, for what a process keeps in memory.

What a record means that cannot be read is decided here, once. A damaged one is counted, told in a
line of the log, and handed on as `None`: it never ends the process, and whoever reads goes on with
the next. At one of a kind that this version does not know its partition stands still.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Generic, TypeVar

from base.backoff import Backoff
from base.metrics import Family, Reading
from logs.log import Log, LogDamaged, LogOutage, Record, RecordsLost
from logs.topics import Topic, UndecodableRecord, UnknownKind
from logs.unknown_records import UnknownRecord, stand_still

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)

UNDECODABLE: Final = Family(
    "xylem_reader_undecodable_total",
    "counter",
    "Records that cannot be decoded, passed over by what a process keeps in memory.",
    ("reader", "topic"),
)
UNKNOWN_RECORDS: Final = Family(
    "xylem_reader_unknown_records",
    "gauge",
    "1 for a partition of which memory stands still at a record of a kind that this version does "
    "not know.",
    ("reader", "topic", "partition", "kind"),
)
FAMILIES: Final = (UNDECODABLE, UNKNOWN_RECORDS)

Bounds = Mapping[int, tuple[int, int]]


class Decoding(Generic[T]):
    """Decodes the records of a topic for one reader, and counts those that cannot be."""

    def __init__(self, reader: str, topic: Topic[T]) -> None:
        self.topic: Final = topic
        self._reader: Final = reader
        self._undecodable = 0
        self._unknown: Final[dict[int, UnknownRecord]] = {}

    @property
    def stands_still(self) -> bool:
        """Whether a partition waits at a record, until a newer version is started."""
        return bool(self._unknown)

    def decode(self, records: Sequence[Record]) -> list[tuple[Record, T | None]]:
        """Return each record with its value, or with `None` where it cannot be decoded.

        Of a partition nothing is returned from a record on whose kind this version does not know,
        now and later.
        """
        if self._unknown:
            records = [record for record in records if self._is_reached(record)]
        decode = self.topic.decode
        found: list[tuple[Record, T | None]] = []
        for record in records:
            try:
                value = decode(record.value)
            except UndecodableRecord as error:
                value = None
                self._note(record, error)
            except UnknownKind as unknown:
                self._unknown[record.partition] = stand_still(self._reader, record, unknown)
                # Other partitions go on.
                return found + self.decode(records[len(found) :])
            found.append((record, value))
        return found

    def _is_reached(self, record: Record) -> bool:
        unknown = self._unknown.get(record.partition)
        return unknown is None or record.offset < unknown.offset

    def _note(self, record: Record, error: UndecodableRecord) -> None:
        self._undecodable += 1
        # Not each of them: there may be many.
        if self._undecodable & (self._undecodable - 1):
            return
        _log.warning(
            "records cannot be decoded: they are passed over",
            extra={
                "count": self._undecodable,
                "reader": self._reader,
                "topic": self.topic.name,
                "partition": record.partition,
                "offset": record.offset,
                "reason": str(error),
            },
        )

    def readings(self) -> Iterator[Reading]:
        """Give what was counted, for metrics."""
        labels = (self._reader, self.topic.name)
        yield Reading(UNDECODABLE, labels, self._undecodable)
        for unknown in self._unknown.values():
            yield Reading(UNKNOWN_RECORDS, (*labels, str(unknown.partition), unknown.kind), 1)


def from_the_end(bounds: Bounds) -> dict[int, int]:
    """Return where to begin to hear only of what comes."""
    return {partition: end for partition, (_, end) in bounds.items()}


def _nothing() -> None:
    pass


class TailReader(Generic[T]):
    """Reads all partitions of a topic for as long as the process lives.

    After an outage it goes on where it was. Where the log no longer has that, or cannot give it as
    it was written, it begins as at first. A partition that stands still at a record of an unknown
    kind does so until the process ends.
    """

    def __init__(
        self,
        log: Log,
        decoding: Decoding[T],
        take: Callable[[Sequence[tuple[Record, T | None]]], None],
        *,
        starts: Callable[[Bounds], Mapping[int, int]] = from_the_end,
        begin: Callable[[], None] = _nothing,
        pause: Callable[[], None] = _nothing,
    ) -> None:
        """Take who hears of the records, in each partition in order, `None` for damaged ones.

        `begin` is called when all that is appended from then on will be heard of, `pause` when it
        is heard of only later, or not at all; twice does no harm.
        """
        self._log: Final = log
        self._decoding: Final = decoding
        self._take: Final = take
        self._starts: Final = starts
        self._begin: Final = begin
        self._pause: Final = pause
        self._places: dict[int, int] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        topic = self._decoding.topic.name
        backoff = Backoff()
        while True:
            try:
                await self._read(backoff)
            except LogOutage as outage:
                _log.debug("a reader waits", extra={"topic": topic, "outage": str(outage)})
            except (RecordsLost, LogDamaged) as lost:
                self._places = {}
                _log.warning("a reader starts again", extra={"topic": topic, "reason": str(lost)})
            await backoff.wait()

    async def _read(self, backoff: Backoff) -> None:
        topic = self._decoding.topic.name
        if not self._places:
            self._places = dict(self._starts(await self._log.bounds(topic)))
        tail = await self._log.tail(topic, self._places)
        try:
            if not self._decoding.stands_still:
                self._begin()
            while True:
                records = self._decoding.decode(await tail.read())
                backoff.reset()
                self._take(records)
                self._places.update((record.partition, record.offset + 1) for record, _ in records)
                if self._decoding.stands_still:
                    self._pause()
        finally:
            self._pause()
            await tail.close()

    def readings(self) -> Iterator[Reading]:
        """Give what was counted, for metrics."""
        return self._decoding.readings()
