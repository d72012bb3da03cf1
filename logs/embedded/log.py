"""The embedded log itself: numbers records, queues them for the disk, shows them when durable."""

import asyncio
import os
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

from base.clock import Clock, SystemClock
from base.metrics import Reading
from logs.append_metrics import KEPT_BYTES, QUEUED_BYTES, AppendCounts, AppendObserver
from logs.embedded.compaction import (
    Compaction,
    discard,
    drop_superfluous,
    take_place,
    write_remainder,
)
from logs.embedded.frames import (
    FRAME_BYTES,
    FrameCodec,
    Lane,
    SegmentHeader,
    TopicOffsets,
    records_of,
)
from logs.embedded.groups import ConsumerGroup, Member
from logs.embedded.partitions import EmbeddedTail, Partition, TailMemory, wake_all
from logs.embedded.reading import Wanted, read_records
from logs.embedded.runs import begin_run
from logs.embedded.segments import (
    Segment,
    first_kept,
    header_after,
    lock_folder,
    note_closing,
    probe_room,
    recover,
)
from logs.embedded.settings import EmbeddedLogSettings
from logs.embedded.writer import LogWriter, Written
from logs.log import (
    LogBroken,
    LogOutage,
    LogRun,
    Outgoing,
    Ownership,
    Position,
    Record,
    RecordsLost,
    RecordTooLarge,
    partition_of_key,
)

_DEFAULTS: Final = EmbeddedLogSettings()
_MS_PER_HOUR: Final = 3_600_000


class _OpenFolder(NamedTuple):
    path: Path
    lock: int
    runs: Sequence[LogRun]


class _Part:
    """The records of one append that go to one partition."""

    __slots__ = ("count", "offset", "partition", "payload", "records")

    def __init__(self, partition: Partition, count: int, payload: bytes) -> None:
        self.partition = partition
        self.count = count
        self.payload = payload
        self.offset = 0
        self.records: list[Record] = []


class _Append:
    """One call of `append` on its way to the disk."""

    __slots__ = ("done", "outgoing", "parts", "size")

    def __init__(self, outgoing: list[list[Outgoing]], parts: list[_Part]) -> None:
        self.outgoing = outgoing
        self.parts = parts
        self.size = sum(len(part.payload) for part in parts) + FRAME_BYTES * len(parts)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


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
        self._segments = segments
        self._settings = settings
        self._clock = clock
        self._header = header_after(last)
        self._codec = FrameCodec(last.header.generation)
        self._partitions = _open_partitions(topics, segments)
        self._memory = TailMemory(settings.tail_bytes)
        self._groups: dict[tuple[str, str], ConsumerGroup] = {}
        self._queued_bytes = 0
        self._counts = AppendCounts()
        self._waiting: deque[_Append] = deque()
        self._tasks: set[asyncio.Future[None]] = set()
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
        append, places = self._encode(partitions, records)
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
        return _positions(append.parts, places)

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
        yield Reading(KEPT_BYTES, (), sum(segment.size for segment in self._segments))

    def _require_writable(self) -> None:
        self._require_open()
        if self._writer.refusal is not None:
            raise LogOutage(self._writer.refusal)

    def _require_open(self) -> None:
        if self._is_closed:
            raise LogOutage("The log is closed.")

    def _encode(
        self, partitions: Sequence[Partition], records: Sequence[Outgoing]
    ) -> tuple[_Append, list[int] | None]:
        """Return the append, and for each record its part, or `None` if there is but one."""
        if len(partitions) == 1 or len(records) == 1:
            number = partition_of_key(records[0].key, len(partitions))
            groups = {number: list(records)}
            places = None
        else:
            groups = {}
            places = []
            for record in records:
                number = partition_of_key(record.key, len(partitions))
                groups.setdefault(number, []).append(record)
                places.append(number)
        parts = [
            _Part(partitions[number], len(group), self._codec.encode_records(group))
            for number, group in groups.items()
        ]
        return _Append(list(groups.values()), parts), places

    def _has_room(self, size: int) -> bool:
        queued = self._queued_bytes
        return queued == 0 or queued + size <= self._settings.max_queued_bytes

    def _submit(self, append: _Append) -> None:
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
            assert isinstance(append, _Append)  # noqa: S101 — the writer hands back what it got
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
        self._spawn(asyncio.to_thread(self._segments[-1].save_index))
        self._segments.append(segment)

    def _failed(self, items: Sequence[object], outage: LogOutage) -> None:
        for append in [*items, *self._writer.drop_waiting()]:
            assert isinstance(append, _Append)  # noqa: S101 — the writer hands back what it got
            self._queued_bytes -= append.size
            _refuse(append, outage)
        if self._writer.refusal is not None:
            self._broken.set()
        # What was numbered is gone; the numbers are given again.
        for partitions in self._partitions.values():
            for partition in partitions:
                partition.next = partition.end
        if self._is_closed:
            # The thread has been told to end: it would not come back for these.
            while self._waiting:
                _refuse(self._waiting.popleft(), outage)
        self._submit_waiting()

    def _submit_waiting(self) -> None:
        while self._waiting and (self._is_closed or self._has_room(self._waiting[0].size)):
            append = self._waiting.popleft()
            if append.done.done():
                continue
            if self._writer.refusal is not None:
                _refuse(append, LogOutage(self._writer.refusal))
                continue
            self._submit(append)

    def _header_before(self, items: Sequence[object]) -> SegmentHeader:
        """Return the header of a segment that begins with these appends, the last numbered."""
        starts: dict[tuple[int, int], int] = {}
        for append in items:
            assert isinstance(append, _Append)  # noqa: S101 — the writer hands back what it got
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

    async def read(self, partition: Partition, offset: int, limit: int) -> list[Record]:
        """Return records that are no longer in memory, for the log's own readers."""
        lane = partition.lane
        for segment in reversed(self._segments):
            place = segment.find(lane, offset)
            if place is not None:
                break
        else:
            raise RecordsLost(f"{partition.topic}/{partition.number} has no record {offset} more.")
        try:
            # Opened at once: what is open stays as it is, whatever takes its place.
            file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
            wanted = Wanted(lane, offset, limit)
            return await asyncio.to_thread(
                read_records, file, self._codec, wanted, place, segment.size
            )
        except FileNotFoundError as error:
            raise RecordsLost(f"{segment.path.name} was trimmed while it was read.") from error
        except OSError as error:
            raise LogOutage(f"The log cannot be read: {error}") from error

    async def subscribe(self, topic: str, group: str, ownership: Ownership) -> Member:
        """Join a consumer group."""
        self._require_open()
        members = self._groups.setdefault(
            (topic, group), ConsumerGroup(self._partitions[topic], self)
        )
        return await members.join(ownership)

    async def tail(self, topic: str, start: Mapping[int, int] | None = None) -> EmbeddedTail:
        """Read all partitions, without a group."""
        self._require_open()
        given = start or {}
        return EmbeddedTail(
            self, {item: given.get(item.number, item.end) for item in self._partitions[topic]}
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
        for number, offset in before.items():
            partition = self._partitions[topic][number]
            partition.trim_point = max(partition.trim_point, min(offset, partition.end))
        dropped: list[Segment] = []
        while len(self._segments) > 1 and self._is_trimmed(self._segments[0]):
            dropped.append(self._segments.pop(0))
        if dropped:
            self._note_first()
            await asyncio.to_thread(_delete, dropped)

    def _note_first(self) -> None:
        for partition in self._all_partitions():
            partition.first = first_kept(self._segments, partition.lane)

    def _all_partitions(self) -> Iterator[Partition]:
        for partitions in self._partitions.values():
            yield from partitions

    async def compact(self) -> None:
        """Give back the room of trimmed records that lie between others. Raises `LogOutage`."""
        self._require_open()
        self._writer.roll_if_due()
        age_ms = round(self._settings.segment_age_h * _MS_PER_HOUR)
        points = {partition.lane: partition.trim_point for partition in self._all_partitions()}
        compaction = Compaction(points, self._clock.now_ms(), age_ms)
        place = 0
        while place < len(self._segments) - 1:
            run = compaction.run_at(self._segments, place)
            if run:
                place -= len(run) - 1
                await self._rewrite(run, points)
            place += 1

    async def _rewrite(self, run: Sequence[Segment], points: Mapping[Lane, int]) -> None:
        try:
            segment = await asyncio.to_thread(write_remainder, self._codec, run, points)
        except OSError as error:
            raise LogOutage(f"The log's files cannot be made smaller: {error}") from error
        place = self._segments.index(run[0]) if run[0] in self._segments else -1
        if self._is_closed or self._segments[place : place + len(run)] != list(run):
            discard(segment)
            return
        take_place(segment)
        self._segments[place : place + len(run)] = [segment]
        self._note_first()
        await asyncio.to_thread(drop_superfluous, segment, run)
        self._spawn(asyncio.to_thread(segment.save_index))

    def bytes_of(self, topic: str) -> int:
        """Return how many bytes the topic's records take in the files."""
        return sum(
            segment.sizes.get(partition.lane, 0)
            for segment in self._segments
            for partition in self._partitions[topic]
        )

    def first_within(self, topic: str, max_bytes: int) -> Mapping[int, int]:
        """Return the offsets from which on each partition's share of so many bytes is kept.

        Whole files count, and the one that is written to always stays.
        """
        partitions = self._partitions[topic]
        share = max_bytes // len(partitions)
        return {one.number: self._first_within(one, share) for one in partitions}

    def _first_within(self, partition: Partition, max_bytes: int) -> int:
        size = self._segments[-1].sizes.get(partition.lane, 0)
        for segment in reversed(self._segments[:-1]):
            size += segment.sizes.get(partition.lane, 0)
            if size > max_bytes:
                return segment.ends.get(partition.lane, 0)
        return partition.first

    def _is_trimmed(self, segment: Segment) -> bool:
        return all(
            segment.ends.get(partition.lane, 0) <= partition.trim_point
            for partition in self._all_partitions()
        )

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Write what was accepted, end all readers and let go of the folder."""
        if self._is_closed:
            return
        self._is_closed = True
        self._submit_waiting()
        await asyncio.to_thread(self._writer.close)
        for partitions in self._partitions.values():
            wake_all(partitions, "The log is closed.")
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._writer.refusal is None:
            note_closing(self._folder, self._segments[-1].next_commit)
        os.close(self._lock)


def _refuse(append: _Append, outage: LogOutage) -> None:
    if not append.done.done():
        append.done.set_exception(outage)


def _delete(segments: Sequence[Segment]) -> None:
    for segment in segments:
        segment.delete()


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


def _positions(parts: Sequence[_Part], places: Sequence[int] | None) -> list[Position]:
    if places is None:
        part = parts[0]
        number = part.partition.number
        return [Position(number, offset) for offset in range(part.offset, part.offset + part.count)]
    following = {part.partition.number: part.offset for part in parts}
    positions = []
    for number in places:
        positions.append(Position(number, following[number]))
        following[number] += 1
    return positions
