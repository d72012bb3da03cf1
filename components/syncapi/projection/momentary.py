"""Reads what is in memory only, in each process for itself."""

from collections.abc import Sequence
from typing import Any

from components.syncapi.projection.consumers import NAME
from components.syncapi.streams.stream import MomentaryStream
from logs.log import Log, Record
from logs.tail_reader import Bounds, Decoding, TailReader


def momentary_reader(log: Log, stream: MomentaryStream[Any]) -> TailReader[Any]:
    """Return the reader of a stream's whole topic."""

    def learn(partition: int, records: Sequence[tuple[int, Any]], next_offset: int) -> None:
        stream.learn(partition, records)
        stream.progress.advance(partition, next_offset)

    def take(records: Sequence[tuple[Record, Any | None]]) -> None:
        found: dict[int, list[tuple[int, Any]]] = {}
        next_offsets: dict[int, int] = {}
        for record, value in records:
            ones = found.setdefault(record.partition, [])
            next_offsets[record.partition] = record.offset + 1
            if value is not None:
                ones.append((record.offset, value))
        for partition, ones in found.items():
            learn(partition, ones, next_offsets[partition])

    def newest(bounds: Bounds) -> dict[int, int]:
        most = stream.most_at_start
        starts = {one: max(first, end - most) for one, (first, end) in bounds.items()}
        for partition, start in starts.items():
            # What lies before is known as far as anybody wants to know it.
            learn(partition, (), start)
        return starts

    return TailReader(log, Decoding(NAME, stream.topic), take, starts=newest)
