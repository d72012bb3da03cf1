"""The embedded log itself: numbers records, queues them for the disk, shows them when durable."""

import asyncio
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

from base.clock import Clock, SystemClock
from base.metrics import Reading
from logs.append_metrics import KEPT_BYTES, QUEUED_BYTES, AppendCounts, AppendObserver
from logs.embedded.appends import Append, encode_append, positions_of
from logs.embedded.folder import lock_folder, probe_room
from logs.embedded.frames import (
    FRAME_BYTES,
    FrameCodec,
    SegmentHeader,
    TopicOffsets,
    records_of,
)
from logs.embedded.groups import ConsumerGroup, Member
from logs.embedded.kept_segments import KeptSegments
from logs.embedded.partitions import EmbeddedTail, Partition, TailMemory, wake_all
from logs.embedded.recovery import note_closing, recover
from logs.embedded.runs import begin_run
from logs.embedded.segments import Segment, first_kept, header_after
from logs.embedded.settings import EmbeddedLogSettings
from logs.embedded.writer import LogWriter, Written
from logs.log import (
    LogBroken,
    LogOutage,
    LogRun,
    Outgoing,
    Ownership,
    Position,
    RecordTooLarge,
    partition_of_key,
)

_DEFAULTS: Final = EmbeddedLogSettings()


class _OpenFolder(NamedTuple):
    path: Path
    lock: int
    runs: Sequence[LogRun]


class EmbeddedLog:
    """A `Log` in one folder of one process; all topics share its files."""

    def __init__(
        self,
        folder: "_OpenFolder",
        segments: list[Segment],
        topics: Mapping[str, int],
        settings: EmbeddedLogSettings,
        clock: Clock,
    ) -> None:
        last = segments[-1]
        self._folder = folder.path
        self._lock = folder.lock
        self._runs: Final = folder.runs
        self._settings = settings
        self._clock = clock
        self._header = header_after(last)
        self._codec = FrameCodec(last.header.generation)
        self._partitions = _open_partitions(topics, segments)
        self._kept: Final = KeptSegments(segments, self._partitions, self._codec, settings, clock)
        self._memory = TailMemory(settings.tail_bytes)
        self._groups: dict[tuple[str, str], ConsumerGroup] = {}
        self._queued_bytes = 0
        self._counts = AppendCounts()
        self._waiting: deque[Append] = deque()
        self._is_closed = False
        self._broken = asyncio.Event()
        self._writer = LogWriter(
            folder.path,
            last,
            self._codec,
            settings,
            clock=clock,
            on_written=self._written,
            on_rolled=self._rolled,
            on_failed=self._failed,
            header=self._header_before,
        )

    @classmethod
    async def open(
        cls,
        folder: Path,
        topics: Mapping[str, int],
        *,
        segment_bytes: int = _DEFAULTS.segment_bytes,
        segment_age_h: float = _DEFAULTS.segment_age_h,
        max_record_bytes: int = _DEFAULTS.max_record_bytes,
        max_queued_bytes: int = _DEFAULTS.max_queued_bytes,
        tail_bytes: int = _DEFAULTS.tail_bytes,
        clock: Clock | None = None,
    ) -> "EmbeddedLog":
        """Open or create the log; `topics` gives partition counts, fixed at creation.

        Topics that are in the folder but not given stay as they are and do not hold back
        trimming. Raises `FolderInUse`, `LogDamaged`, `LogMismatch` and `OSError`.
        """
        settings = EmbeddedLogSettings(
            segment_bytes=segment_bytes,
            segment_age_h=segment_age_h,
            max_record_bytes=max_record_bytes,
            max_queued_bytes=max_queued_bytes,
            tail_bytes=tail_bytes,
        )
        clock = clock or SystemClock()
        lock = await asyncio.to_thread(lock_folder, folder)
        try:
            segments = await asyncio.to_thread(recover, folder, topics, clock.now_ms())
            runs = await asyncio.to_thread(begin_run, folder, segments[-1])
            return cls(_OpenFolder(folder, lock, runs), segments, topics, settings, clock)
        except BaseException:
            os.close(lock)
            raise

    @property
    def generation(self) -> str:
        """The random name given at creation."""
        return self._header.generation

    @property
    def runs(self) -> Sequence[LogRun]:
        """One for each time that the log was opened, as far as they are remembered."""
        return self._runs

    @property
    def max_record_bytes(self) -> int:
        """The limit of one record's key and value together."""
        return self._settings.max_record_bytes

    def partition_count(self, topic: str) -> int:
        """Return how many partitions the topic has."""
        return len(self._partitions[topic])

    def partition_of(self, topic: str, key: str) -> int:
        """Return the partition that records with this key go to."""
        return partition_of_key(key, len(self._partitions[topic]))

    async def append(self, topic: str, records: Sequence[Outgoing]) -> Sequence[Position]:
        """Append and return the positions once all are durable."""
        partitions = self._partitions[topic]
        self._require_writable()
        limit = self._settings.max_record_bytes
        for key, value, _ in records:
            if len(key) + len(value) > limit:
                raise RecordTooLarge(
                    f"A record of {len(key) + len(value)} bytes is over the limit of {limit}."
                )
        if not records:
            return []
        started = perf_counter()
        append, places = encode_append(self._codec, partitions, records)
        if self._waiting or not self._has_room(append.size):
            self._waiting.append(append)
        else:
            self._submit(append)
        try:
            await append.done
        except LogOutage as outage:
            self._counts.failed(topic, len(records), perf_counter() - started, outage)
            raise
        self._counts.appended(topic, len(records), append.size, perf_counter() - started)
        return positions_of(append.parts, places)

    async def check(self) -> None:
        """Return if records can be appended. Raises `LogOutage`."""
        self._require_writable()
        if self._writer.want is not None:
            # Whether there is room again must not depend on somebody who writes.
            try:
                await asyncio.to_thread(probe_room, self._folder)
            except OSError as error:
                raise LogOutage(f"The log could not be written for now: {error}") from error

    async def watch(self) -> None:
        """Raise `LogBroken` once nothing can be written until the log is opened again."""
        await self._broken.wait()
        raise LogBroken(self._writer.refusal)

    def observe_appends(self, observe: AppendObserver) -> None:
        """Let `observe` hear of each append."""
        self._counts.observe = observe

    def readings(self) -> Iterator[Reading]:
        """Give what the log has counted, for metrics."""
        yield from self._counts.readings()
        yield Reading(QUEUED_BYTES, (), self._queued_bytes)
        yield Reading(KEPT_BYTES, (), self._kept.size)

    def _require_writable(self) -> None:
        self._require_open()
        if self._writer.refusal is not None:
            raise LogOutage(self._writer.refusal)

    def _require_open(self) -> None:
        if self._is_closed:
            raise LogOutage("The log is closed.")

    def _has_room(self, size: int) -> bool:
        queued = self._queued_bytes
        return queued == 0 or queued + size <= self._settings.max_queued_bytes

    def _submit(self, append: Append) -> None:
        now_ms = self._clock.now_ms()
        self._queued_bytes += append.size
        with self._writer.lock:
            frames = []
            for part in append.parts:
                partition = part.partition
                part.offset = partition.next
                partition.next += part.count
                frames.append(
                    self._codec.encode_frame(
                        partition.lane, part.offset, now_ms, part.count, part.payload
                    )
                )
            self._writer.put(frames, append)
        # While the thread writes.
        for part, outgoing in zip(append.parts, append.outgoing, strict=True):
            part.records = records_of(outgoing, part.partition.number, part.offset, now_ms)

    def _written(self, written: Written) -> None:
        segment = written.segment
        segment.size = written.end
        segment.next_commit += 1
        place = written.position
        for append in written.items:
            assert isinstance(append, Append)  # noqa: S101 — the writer hands back what it got
            for part in append.parts:
                size = len(part.payload) + FRAME_BYTES
                segment.note_frame(part.partition.lane, part.offset, part.count, place, size)
                place += size
                part.partition.publish(part.records)
                self._memory.add(part.partition, part.count, size)
            self._queued_bytes -= append.size
            if not append.done.done():
                append.done.set_result(None)
        if self._waiting:
            self._submit_waiting()

    def _rolled(self, segment: Segment) -> None:
        self._kept.add(segment)

    def _failed(self, items: Sequence[object], outage: LogOutage) -> None:
        for append in [*items, *self._writer.drop_waiting()]:
            assert isinstance(append, Append)  # noqa: S101 — the writer hands back what it got
            self._queued_bytes -= append.size
            append.refuse(outage)
        if self._writer.refusal is not None:
            self._broken.set()
        # What was numbered is gone; the numbers are given again.
        for partitions in self._partitions.values():
            for partition in partitions:
                partition.next = partition.end
        if self._is_closed:
            # The thread has been told to end: it would not come back for these.
            while self._waiting:
                self._waiting.popleft().refuse(outage)
        self._submit_waiting()

    def _submit_waiting(self) -> None:
        while self._waiting and (self._is_closed or self._has_room(self._waiting[0].size)):
            append = self._waiting.popleft()
            if append.done.done():
                continue
            if self._writer.refusal is not None:
                append.refuse(LogOutage(self._writer.refusal))
                continue
            self._submit(append)

    def _header_before(self, items: Sequence[object]) -> SegmentHeader:
        """Return the header of a segment that begins with these appends, the last numbered."""
        starts: dict[tuple[int, int], int] = {}
        for append in items:
            assert isinstance(append, Append)  # noqa: S101 — the writer hands back what it got
            for part in append.parts:
                starts.setdefault(part.partition.lane, part.offset)
        by_name = {
            name: [starts.get(partition.lane, partition.next) for partition in partitions]
            for name, partitions in self._partitions.items()
        }
        topics = [
            TopicOffsets(topic.name, by_name.get(topic.name, topic.next_offsets))
            for topic in self._header.topics
        ]
        return SegmentHeader(self._header.generation, 0, 0, topics)

    async def subscribe(self, topic: str, group: str, ownership: Ownership) -> Member:
        """Join a consumer group."""
        self._require_open()
        members = self._groups.setdefault(
            (topic, group), ConsumerGroup(self._partitions[topic], self._kept)
        )
        return await members.join(ownership)

    async def tail(self, topic: str, start: Mapping[int, int] | None = None) -> EmbeddedTail:
        """Read all partitions, without a group."""
        self._require_open()
        given = start or {}
        return EmbeddedTail(
            self._kept, {item: given.get(item.number, item.end) for item in self._partitions[topic]}
        )

    async def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return per partition the first offset that is kept and the next one to be written."""
        self._require_open()
        return {item.number: (item.first, item.end) for item in self._partitions[topic]}

    async def ends(self, topics: Sequence[str]) -> Mapping[str, Sequence[int]]:
        """Return for each topic the next offset to be written, partition by partition."""
        self._require_open()
        return {topic: [item.end for item in self._partitions[topic]] for topic in topics}

    async def trim(self, topic: str, before: Mapping[int, int]) -> None:
        """Drop the oldest segments of which no topic needs a record any more."""
        self._require_open()
        await self._kept.trim(topic, before)

    async def compact(self) -> None:
        """Give back the room of trimmed records that lie between others. Raises `LogOutage`."""
        self._require_open()
        self._writer.roll_if_due()
        await self._kept.compact()

    def bytes_of(self, topic: str) -> int:
        """Return how many bytes the topic's records take in the files."""
        return self._kept.bytes_of(topic)

    def first_within(self, topic: str, max_bytes: int) -> Mapping[int, int]:
        """Return the offsets from which on each partition's share of so many bytes is kept.

        Whole files count, and the one that is written to always stays.
        """
        return self._kept.first_within(topic, max_bytes)

    async def close(self) -> None:
        """Write what was accepted, end all readers and let go of the folder."""
        if self._is_closed:
            return
        self._is_closed = self._kept.is_closed = True
        self._submit_waiting()
        await asyncio.to_thread(self._writer.close)
        for partitions in self._partitions.values():
            wake_all(partitions, "The log is closed.")
        await self._kept.finish()
        if self._writer.refusal is None:
            note_closing(self._folder, self._kept.last.next_commit)
        os.close(self._lock)


def _open_partitions(
    topics: Mapping[str, int], segments: Sequence[Segment]
) -> dict[str, list[Partition]]:
    last = segments[-1]
    numbers = {topic.name: number for number, topic in enumerate(last.header.topics)}
    return {
        name: [
            Partition(
                name, lane := (numbers[name], place), first_kept(segments, lane), last.ends[lane]
            )
            for place in range(count)
        ]
        for name, count in topics.items()
    }
