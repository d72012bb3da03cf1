"""Reads InputRoomEvent: adds events to their rooms and tells OutputRoomEvent what came of it."""

import logging
from collections.abc import Sequence
from typing import Final

from base.database import Connection
from base.tracing import request_id
from components.roomserver.adding import Adder
from components.roomserver.inputs import EventInput, Input, read_input
from components.roomserver.memory import Memory
from components.roomserver.writing import RoomWriter
from logs.consumer import Message, Outbox
from logs.records.room_input import ForgetRoom, InputRoomEvent

_log: Final = logging.getLogger(__name__)


class RoomProcessor:
    """One partition of InputRoomEvent: the rooms in it, one event after another."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._writer: RoomWriter | None = None

    def process(
        self,
        connection: Connection,
        messages: Sequence[Message[InputRoomEvent]],
        outbox: Outbox,
    ) -> None:
        """Add a batch of events in the order of the log."""
        writer = RoomWriter(self._memory, connection)
        self._writer = writer
        inputs = [read_input(one, outbox) for one in messages]
        events = [one for one in inputs if isinstance(one, EventInput)]
        writer.prefetch(
            [one.event.event_id for one in events],
            [one.transaction for one in events if one.transaction is not None],
        )
        adder = Adder(writer, outbox)
        _add_all(adder, inputs)
        writer.flush(messages[-1].timestamp_ms)

    def committed(self) -> None:
        """Let queries see the batch."""
        if self._writer is not None:
            self._writer.publish()
            self._writer = None

    def aborted(self) -> None:
        """Forget the batch, and what was read beside it: another process may own the rooms now."""
        self._writer = None
        self._memory.clear()


def _add_all(adder: Adder, inputs: Sequence[Input | None]) -> None:
    is_told = _log.isEnabledFor(logging.DEBUG)
    try:
        for one in inputs:
            if isinstance(one, EventInput):
                # What is announced and logged from here on comes from this request.
                request_id.set(one.request_id)
                adder.add_event(one)
                if is_told:
                    event = one.event
                    fields = {"event_id": event.event_id, "room_id": event.room_id}
                    _log.debug("An input was processed", extra=fields)
            elif isinstance(one, ForgetRoom):
                request_id.set(one.request_id)
                adder.forget_room(one)
            elif one is not None:
                request_id.set("")
                adder.add_state(one)
    finally:
        request_id.set("")
