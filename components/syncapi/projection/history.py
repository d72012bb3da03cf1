"""What readers are rebuilt from, cut into parts that are written at once.

Records of the histories get places in the stream before all offsets of the log, so that what is
read from the topics later on comes after them.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol, TypeAlias

from msgspec.structs import replace

from base.database import Database
from components.syncapi.store.carried import Carried, select_carried
from components.syncapi.store.rebuild_progress import Cursor
from internalapi.receipts import ReceiptHistory
from internalapi.roomserver import RoomHistory
from internalapi.userapi import UserHistory, UserHistoryPage
from logs.consumer import Message
from logs.log import Log, Position
from logs.records.client_data import OutputClientData
from logs.records.receipts import OutputReceipt, ReceiptMoved
from logs.records.room_output import OutputRoomEvent
from logs.topics import OUTPUT_CLIENT_DATA, OUTPUT_RECEIPT, OUTPUT_ROOM_EVENT
from matrix.identifiers import RoomID

STAGES: Final = ("account data", "rooms", "accounts", "receipts", "transactions", "former events")
"""In the order in which what depends on others comes after them: events are judged by push rules
when they come, erasures are about rooms, receipts about what was unread, transactions about events.
What the copy that served knows of events is for where nothing else tells it."""

_FIRST_ORDER: Final = -(2**53)
"""Where histories begin, before every offset: with room for the time of a receipt."""
_RECORDS_AT_ONCE: Final = 500
_ROOMS_AT_ONCE: Final = 1000

AnyRecord: TypeAlias = OutputRoomEvent | OutputClientData | OutputReceipt


class HistoryPart(NamedTuple):
    """Records of one topic to write in one transaction, and how far the history is then."""

    topic: str
    messages: Mapping[int, Sequence[Message[AnyRecord]]]
    """By partition."""
    after: Cursor
    covered: tuple[str, int] | None = None
    """A room that is whole with this part, and up to which offset its records are covered."""
    carried: Sequence[Carried] = ()
    """What is told beside the records of events."""


class Histories(NamedTuple):
    """What the owners of data keep for good."""

    rooms: RoomHistory
    users: UserHistory
    receipts: ReceiptHistory


class _UserQuery(Protocol):
    async def __call__(self, *, after: list[str], limit: int) -> UserHistoryPage:
        """Return the part after a place."""
        ...


class HistoryReader:
    """Reads the histories from a cursor on."""

    def __init__(self, log: Log, histories: Histories, former: Database | None = None) -> None:
        """Read from the owners, and from the copy that served where it can still be read."""
        self._log: Final = log
        self._former: Final = former
        self._histories: Final = histories
        self._next_rooms: Final[deque[RoomID]] = deque()

    async def count_rooms(self) -> int:
        """Return how many rooms there are."""
        count, after = 0, ""
        while rooms := await self._histories.rooms.query_rooms(after=after, limit=_ROOMS_AT_ONCE):
            count += len(rooms)
            after = rooms[-1]
        return count

    async def read(self, cursor: Cursor) -> HistoryPart | None:
        """Return the part after a cursor; `None` where all of the history has been read."""
        if cursor.stage == len(STAGES):
            return None
        match STAGES[cursor.stage]:
            case "account data":
                return await self._data(cursor, self._histories.users.query_user_data)
            case "accounts":
                return await self._data(cursor, self._histories.users.query_account_statuses)
            case "rooms":
                return await self._room(cursor)
            case "receipts":
                return await self._receipts(cursor)
            case _:
                return await self._carried(cursor)

    async def _data(self, cursor: Cursor, query: "_UserQuery") -> HistoryPart:
        page = await query(after=cursor.place, limit=_RECORDS_AT_ONCE)
        records = [OUTPUT_CLIENT_DATA.decode(record) for record in page.records]
        orders = range(_FIRST_ORDER + cursor.order, _FIRST_ORDER + cursor.order + len(records))
        messages = self._spread(
            OUTPUT_CLIENT_DATA.name, records, orders, lambda record: record.user_id
        )
        after = _next(cursor, page.next_place, len(records))
        return HistoryPart(OUTPUT_CLIENT_DATA.name, messages, after)

    async def _receipts(self, cursor: Cursor) -> HistoryPart:
        page = await self._histories.receipts.query_receipts(
            after=cursor.place, limit=_RECORDS_AT_ONCE
        )
        records = [OUTPUT_RECEIPT.decode(record) for record in page.records]
        # Of many in a room only the newest are shown.
        orders = [
            _FIRST_ORDER + min(record.ts if isinstance(record, ReceiptMoved) else 0, 2**53 - 1)
            for record in records
        ]
        messages = self._spread(OUTPUT_RECEIPT.name, records, orders, lambda one: one.room_id)
        return HistoryPart(
            OUTPUT_RECEIPT.name, messages, _next(cursor, page.next_place, len(records))
        )

    async def _carried(self, cursor: Cursor) -> HistoryPart:
        """Return what is told beside the records of events."""
        if STAGES[cursor.stage] == "transactions":
            carried, place = await self._transactions(cursor)
        else:
            carried, place = await self._former_events(cursor)
        after = _next(cursor, place, len(carried))
        return HistoryPart(OUTPUT_ROOM_EVENT.name, {}, after, carried=carried)

    async def _transactions(self, cursor: Cursor) -> tuple[list[Carried], list[str] | None]:
        page = await self._histories.rooms.query_sent_events(
            after=cursor.place, limit=_RECORDS_AT_ONCE
        )
        carried = [Carried(one.event_id, one.device_id, one.transaction_id) for one in page.events]
        return carried, page.next_place

    async def _former_events(self, cursor: Cursor) -> tuple[list[Carried], list[str] | None]:
        """Return what the copy that served knows, of redacted events above all.

        The room server has no more of them than is left: not which thread they were in, nor
        whether they counted as writing.
        """
        if self._former is None:
            return [], None
        after = cursor.place[0] if cursor.place else ""
        read = partial(select_carried, after=after, limit=_RECORDS_AT_ONCE)
        carried = await self._former.read(read, heavy_for="rebuild")
        return carried, [carried[-1].event_id] if len(carried) == _RECORDS_AT_ONCE else None

    async def _room(self, cursor: Cursor) -> HistoryPart:
        topic = OUTPUT_ROOM_EVENT.name
        if cursor.room_place is None:
            room_id = await self._room_after(cursor.place[0] if cursor.place else "")
            if room_id is None:
                return HistoryPart(topic, {}, Cursor(cursor.stage + 1, rooms=cursor.rooms))
            partition = self._log.partition_of(topic, room_id)
            # Announced is only what is stored: records before this end are among the history.
            _, covered = (await self._log.bounds(topic))[partition]
            cursor = Cursor(cursor.stage, [room_id], 0, covered, 0, cursor.rooms)
        room_id = RoomID(cursor.place[0])
        page = await self._histories.rooms.query_room_history(
            room_id=room_id, after_place=cursor.room_place or 0, limit=_RECORDS_AT_ONCE
        )
        records = [OUTPUT_ROOM_EVENT.decode(record) for record in page.records]
        orders = range(_FIRST_ORDER + cursor.order, _FIRST_ORDER + cursor.order + len(records))
        is_whole = page.next_place is None
        after = replace(
            cursor,
            room_place=page.next_place,
            order=cursor.order + len(records),
            rooms=cursor.rooms + is_whole,
        )
        messages = self._spread(topic, records, orders, lambda one: one.room_id)
        return HistoryPart(topic, messages, after, (room_id, cursor.covered) if is_whole else None)

    async def _room_after(self, room_id: str) -> RoomID | None:
        if not self._next_rooms:
            rooms = self._histories.rooms
            self._next_rooms.extend(await rooms.query_rooms(after=room_id, limit=_ROOMS_AT_ONCE))
        return self._next_rooms.popleft() if self._next_rooms else None

    def _spread(
        self,
        topic: str,
        records: Sequence[AnyRecord],
        orders: Sequence[int],
        key_of: Callable[..., str],
    ) -> dict[int, list[Message[AnyRecord]]]:
        """Return the records by the partition of their key, at their places."""
        messages: dict[int, list[Message[AnyRecord]]] = {}
        for record, order in zip(records, orders, strict=True):
            key = key_of(record)
            partition = self._log.partition_of(topic, key)
            message = Message(Position(partition, order), key, 0, record)
            messages.setdefault(partition, []).append(message)
        return messages


def _next(cursor: Cursor, place: list[str] | None, count: int) -> Cursor:
    if place is None:
        return Cursor(cursor.stage + 1, rooms=cursor.rooms)
    return Cursor(cursor.stage, place, order=cursor.order + count, rooms=cursor.rooms)
