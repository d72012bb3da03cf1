"""Reads the topics into a copy of the tables until it has caught up with them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from base.database import DatabaseOutage
from logs.consumer.loop import Consumer
from logs.log import LogOutage
from logs.rebuilding.waiting_out import note_outage
from logs.topics import UnknownKind

_LOOK_S: Final = 0.1


class CatchingUp:
    """Runs consumers over a copy that nobody reads, in turns that its reader chooses."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        """Take who hears how many records are missing."""
        self._tell: Final = tell

    async def read(
        self,
        consumers: Sequence[Consumer[Any]],
        ends: Sequence[Mapping[int, int]],
        *,
        may_be_behind: int | None = None,
    ) -> None:
        """Run these until they are past these ends, and not too far behind the topics' own.

        Waits for outages to end. Raises what a consumer ends with, as `RecordsLost`, and
        `UnknownKind` where one stands still.
        """
        running: list[asyncio.Task[None]] = []
        try:
            while not await self._has_caught_up(consumers, ends, may_be_behind):
                running = running or [asyncio.create_task(one.run()) for one in consumers]
                done, _ = await asyncio.wait(
                    running, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
                )
                for ended in done:
                    ended.result()
        finally:
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)

    async def _has_caught_up(
        self,
        consumers: Sequence[Consumer[Any]],
        ends: Sequence[Mapping[int, int]],
        may_be_behind: int | None,
    ) -> bool:
        behind = 0
        is_past = True
        try:
            for consumer, upto in zip(consumers, ends, strict=True):
                for unknown in consumer.unknown_records:
                    raise UnknownKind(unknown.topic, unknown.kind)
                positions = await consumer.positions()
                is_past &= all(positions.get(one, 0) >= end for one, end in upto.items())
                behind += sum((await consumer.lag()).values())
        except (DatabaseOutage, LogOutage) as outage:
            note_outage(outage)
            return False
        self._tell(behind)
        return is_past and (may_be_behind is None or behind <= may_be_behind)
