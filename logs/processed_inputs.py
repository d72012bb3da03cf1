"""Those who append inputs wait here until they are processed, and all that came of them appended.

So what a client was told that it did is in the log when it is told. Where all components share a
process, the consumers say so directly; elsewhere through the topic InputProcessed, with one record
for all that was processed since the last one.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from base.backoff import Backoff
from base.growing import GrowingNumber
from logs.log import Log, LogOutage, Outgoing, Position, Record
from logs.records.processed import InputProcessed
from logs.tail_reader import Decoding, TailReader
from logs.topics import INPUT_PROCESSED
from matrix.errors import Unavailable

_log: Final = logging.getLogger(__name__)

_Partition = tuple[str, int]
"""Of the input of a consumer, by name."""


class ProcessedInputs:
    """How far each consumer is, as far as this process has heard."""

    def __init__(self) -> None:
        self.heard: Final = asyncio.Event()
        """Set once all that is processed from then on is heard of."""
        self._next_offsets: Final[defaultdict[_Partition, GrowingNumber]] = defaultdict(
            GrowingNumber
        )

    def note(self, consumer: str, partition: int, next_offset: int) -> None:
        """Take that all inputs before this offset are done with."""
        self._next_offsets[consumer, partition].grow(next_offset)

    async def reach(self, consumer: str, position: Position, timeout_s: float) -> None:
        """Return once an input is processed, and what came of it appended.

        Raises `Unavailable` when that takes too long: it may still come.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._next_offsets[consumer, position.partition].reach(position.offset + 1)
        except TimeoutError as error:
            raise Unavailable("This takes longer than usual: repeat the request.") from error


class ProcessedTeller:
    """Tells other processes how far the consumers of this one are."""

    def __init__(self, log: Log) -> None:
        self._log: Final = log
        self._untold: dict[_Partition, int] = {}
        self._changed: Final = asyncio.Event()

    def note(self, consumer: str, partition: int, next_offset: int) -> None:
        """Take that all inputs before this offset are done with."""
        self._untold[consumer, partition] = next_offset
        self._changed.set()

    async def run(self) -> None:
        """Tell what comes, until cancelled."""
        backoff = Backoff()
        while True:
            await self._changed.wait()
            self._changed.clear()
            untold, self._untold = self._untold, {}
            try:
                await self._log.append(
                    INPUT_PROCESSED.name, [_outgoing(*one) for one in untold.items()]
                )
            except LogOutage as outage:
                _log.debug("nobody hears of what is processed", extra={"outage": str(outage)})
                self._untold = untold | self._untold
                self._changed.set()
                await backoff.wait()
            else:
                backoff.reset()


def _outgoing(partition: _Partition, next_offset: int) -> Outgoing:
    record = InputProcessed(*partition, next_offset)
    return Outgoing(f"{record.consumer}/{record.partition}", INPUT_PROCESSED.encode(record))


def processed_reader(log: Log, inputs: ProcessedInputs, reader: str) -> TailReader[InputProcessed]:
    """Return what lets this process hear of the consumers of others.

    `reader` is its name among what is counted.
    """

    def take(records: Sequence[tuple[Record, InputProcessed | None]]) -> None:
        for _, value in records:
            if value is not None:
                inputs.note(value.consumer, value.partition, value.next_offset)

    decoding = Decoding(reader, INPUT_PROCESSED)
    return TailReader(log, decoding, take, begin=inputs.heard.set)
