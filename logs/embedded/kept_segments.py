"""The segments of an open log: read back, trimmed, and written again without what may go."""

import asyncio
import os
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Final

from base.clock import Clock
from logs.embedded.compaction import (
    Compaction,
    discard,
    drop_superfluous,
    take_place,
    write_remainder,
)
from logs.embedded.frames import FrameCodec, Lane
from logs.embedded.partitions import Partition
from logs.embedded.reading import Wanted, read_records
from logs.embedded.segments import Segment, first_kept
from logs.embedded.settings import EmbeddedLogSettings
from logs.log import LogOutage, Record, RecordsLost

_MS_PER_HOUR: Final = 3_600_000


class KeptSegments:
    """All segments, the oldest first; the last one is written to."""

    def __init__(
        self,
        segments: list[Segment],
        partitions: Mapping[str, Sequence[Partition]],
        codec: FrameCodec,
        settings: EmbeddedLogSettings,
        clock: Clock,
    ) -> None:
        self._segments: Final = segments
        self._partitions: Final = partitions
        self._codec: Final = codec
        self._settings: Final = settings
        self._clock: Final = clock
        self._tasks: Final[set[asyncio.Future[None]]] = set()
        self.is_closed = False
        """Set when the log is: from then on no file takes another's place."""

    @property
    def last(self) -> Segment:
        """The segment that is written to."""
        return self._segments[-1]

    @property
    def size(self) -> int:
        """How many bytes all of them have."""
        return sum(segment.size for segment in self._segments)

    def add(self, segment: Segment) -> None:
        """Take the next segment to be written to; the one before it is complete."""
        self._spawn(asyncio.to_thread(self.last.save_index))
        self._segments.append(segment)

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

    async def trim(self, topic: str, before: Mapping[int, int]) -> None:
        """Let these go, and drop the oldest segments of which no topic needs a record any more."""
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
        if self.is_closed or self._segments[place : place + len(run)] != list(run):
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

    async def finish(self) -> None:
        """Return once nothing is written beside the log any more."""
        if self._tasks:
            await asyncio.wait(self._tasks)


def _delete(segments: Sequence[Segment]) -> None:
    for segment in segments:
        segment.delete()
