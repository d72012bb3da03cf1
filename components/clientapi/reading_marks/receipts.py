"""Writes what users have read to the log.

Cost of a receipt: one append that shares its fsync with others, and for an event that nobody
marked lately its share of one query of the room server.
"""

from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple

from base.clock import Clock
from components.clientapi.reading_marks.readable_events import ReadableEvent, ReadableEvents
from components.clientapi.visible_events import PresentMember, VisibleEvents
from internalapi.roomserver import RoomQueries
from logs.log import Log, Outgoing
from logs.processed_inputs import ProcessedInputs
from logs.records.receipts import EventPlace, MarkRead
from logs.topics import INPUT_RECEIPT
from matrix.errors import InvalidParam, NotFound
from matrix.identifiers import EventID, RoomID

ReceiptType = Literal["m.read", "m.read.private", "m.fully_read"]

MAIN_THREAD: Final = "main"
_HOPS: Final = 3
_MAX_DEPTH: Final = 2**63 - 1


class ReadMark(NamedTuple):
    """Up to which event a user has read, in the room or in one thread of it."""

    receipt_type: ReceiptType
    event_id: EventID
    thread_id: str | None = None


class ReceiptWriter:
    """Writes to InputReceipt."""

    def __init__(
        self,
        *,
        rooms: RoomQueries,
        visible: VisibleEvents,
        log: Log,
        clock: Clock,
        processed: ProcessedInputs | None,
        timeout_s: float,
    ) -> None:
        """Take where it is heard what the receipt server has processed, and how long to wait.

        Without, nobody waits.
        """
        self._events = ReadableEvents(rooms)
        self._visible = visible
        self._log = log
        self._clock = clock
        self._processed = processed
        self._timeout_s = timeout_s

    async def mark_read(
        self, room_id: RoomID, member: PresentMember, marks: Sequence[ReadMark]
    ) -> None:
        """Write receipts and fully-read markers; announced on return.

        None is written unless all are in order. Raises `NotFound` for an event that is not in
        the room or that the member may not see, `InvalidParam` for one that is not in its thread,
        `LogOutage`, and `Unavailable` when the receipt server takes too long.
        """
        if not marks:
            return
        found = await self._find(room_id, member, {mark.event_id for mark in marks})
        ts = self._clock.now_ms()
        records: list[Outgoing] = []
        for mark in marks:
            event = found.get(mark.event_id)
            if event is None:
                raise NotFound(f"There is no event {mark.event_id} in this room.")
            if mark.thread_id is not None:
                await self._require_thread(member, mark.event_id, event, mark.thread_id)
            record = MarkRead(
                room_id=room_id,
                user_id=member.user_id,
                receipt_type=mark.receipt_type,
                event_id=mark.event_id,
                place=EventPlace(min(max(event.depth, 0), _MAX_DEPTH)),
                ts=ts,
                thread_id=mark.thread_id,
            )
            records.append(Outgoing(room_id, INPUT_RECEIPT.encode(record)))
        positions = await self._log.append(INPUT_RECEIPT.name, records)
        if self._processed is not None:
            # Those of a room follow each other.
            await self._processed.reach("receipts", positions[-1], self._timeout_s)

    async def _find(
        self, room_id: RoomID, member: PresentMember, event_ids: Collection[EventID]
    ) -> dict[EventID, ReadableEvent]:
        """Return those of the events that stand in the room and that the member may see."""
        known = await self._events.find(event_ids)
        found: dict[EventID, ReadableEvent] = {}
        for event_id in event_ids:
            event = known.get(event_id)
            if (
                event is not None
                and event.room_id == room_id
                and await self._visible.is_visible(room_id, member, event_id, event.depth)
            ):
                found[event_id] = event
        return found

    async def _require_thread(
        self, member: PresentMember, event_id: EventID, event: ReadableEvent, thread_id: str
    ) -> None:
        """Raise `InvalidParam` unless the event is in this thread ("Threaded read receipts").

        The root and what relates to it is in the main timeline, and may be marked in the thread
        as well, where clients show it. What a redacted event was related to is not known: any
        event of the room may be the root of its thread.
        """
        if event.is_redacted:
            await self._require_root(event.room_id, member, thread_id)
            return
        passed = {event_id}
        current: ReadableEvent | None = event
        for _ in range(_HOPS):
            if current is None or current.parent_id is None:
                break
            passed.add(current.parent_id)
            if current.relation == "m.thread":
                if thread_id == current.parent_id:
                    return
                raise InvalidParam("The event is in another thread.")
            # One that the member may not see is as unknown as one that does not exist.
            parents = await self._find(event.room_id, member, [current.parent_id])
            current = parents.get(current.parent_id)
        if thread_id != MAIN_THREAD and thread_id not in passed:
            raise InvalidParam("The event is not in this thread.")

    async def _require_root(self, room_id: RoomID, member: PresentMember, thread_id: str) -> None:
        if thread_id == MAIN_THREAD:
            return
        if not await self._find(room_id, member, [EventID(thread_id)]):
            raise InvalidParam("There is no such thread.")
