"""Verdicts of the room server, for the requests that wait for them.

The record of an event's outcome comes on OutputRoomEvent; whoever has appended the event to
InputRoomEvent waits here for it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from logs.log import Log, LogOutage, Tail
from logs.records.room_output import (
    EventAdded,
    InputRejected,
    InputRepeated,
    OutputRoomEvent,
    RedactionWithheld,
    SoftFailed,
)
from logs.topics import OUTPUT_ROOM_EVENT
from matrix.errors import LimitExceeded, Unavailable
from matrix.identifiers import EventID, RoomID

_log: Final = logging.getLogger(__name__)
_TRY_AGAIN_S: Final = 1.0


class Outcome(msgspec.Struct, frozen=True):
    """What became of an event."""

    event_id: EventID
    """The event that stands in the room: an earlier one when the input repeated it."""
    refusal: str | None = None
    """Why the room server refused it; `None` when it stands."""


OnForeign = Callable[[RoomID], None]


class Outcomes:
    """The events under way from this process, by ID, and who waits for each."""

    def __init__(self, log: Log, *, max_waiting: int) -> None:
        self._log = log
        self._max_waiting = max_waiting
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._on_foreign: OnForeign | None = None
        self._reading = asyncio.Event()

    async def wait_ready(self) -> None:
        """Return once verdicts are read: what is appended from then on is answered."""
        await self._reading.wait()

    def on_foreign(self, hear: OnForeign) -> None:
        """Let `hear` know of each room where an event was added that is not from this process."""
        self._on_foreign = hear

    def expect(self, event_id: EventID) -> asyncio.Future[Outcome]:
        """Return the future outcome of an event that is about to be appended.

        Raises `LimitExceeded` when too many are under way: the room server lags behind; and
        `Unavailable` as long as verdicts are not read.
        """
        if not self._reading.is_set():
            raise Unavailable("The server is starting: try again in a second.")
        if len(self._waiting) >= self._max_waiting:
            raise LimitExceeded(1000, "The server is overloaded: try again in a second.")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[event_id] = future
        return future

    def forget(self, event_id: EventID) -> None:
        """Nobody waits for this event any more."""
        self._waiting.pop(event_id, None)

    async def run(self) -> None:
        """Read OutputRoomEvent from its end, until cancelled."""
        tail = await self._open()
        self._reading.set()
        try:
            while True:
                try:
                    records = await tail.read()
                except LogOutage:
                    _log.warning("OutputRoomEvent cannot be read, trying again")
                    await asyncio.sleep(_TRY_AGAIN_S)
                    continue
                for record in records:
                    self._take(record.value)
        finally:
            self._reading.clear()
            await tail.close()

    async def _open(self) -> Tail:
        while True:
            try:
                return await self._log.tail(OUTPUT_ROOM_EVENT.name)
            except LogOutage:
                _log.warning("OutputRoomEvent cannot be opened, trying again")
                await asyncio.sleep(_TRY_AGAIN_S)

    def _take(self, value: bytes) -> None:
        try:
            record: OutputRoomEvent = OUTPUT_ROOM_EVENT.decode(value)
        except msgspec.DecodeError:
            # A newer server may write kinds that this one does not know: they have no outcome.
            return
        match record:
            case EventAdded():
                future = self._waiting.pop(record.event_id, None)
                if future is None:
                    if self._on_foreign is not None:
                        self._on_foreign(RoomID(record.room_id))
                    return
                outcome = Outcome(EventID(record.event_id))
            case RedactionWithheld():
                future = self._waiting.pop(record.event_id, None)
                outcome = Outcome(EventID(record.event_id))
            case InputRepeated():
                future = self._waiting.pop(record.event_id, None)
                outcome = Outcome(EventID(record.first_event_id))
            case InputRejected() | SoftFailed():
                future = self._waiting.pop(record.event_id, None)
                outcome = Outcome(EventID(record.event_id), record.reason)
            case _:
                return
        if future is not None and not future.done():
            future.set_result(outcome)
