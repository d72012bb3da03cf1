"""What rooms are rebuilt from: the room server's history, and what only the former copy knows."""

from collections import deque
from functools import partial
from typing import Final

from msgspec.structs import replace

from components.syncapi.store.carried import Carried, select_carried, update_carried
from components.syncapi.store.rebuild_progress import Cursor, upsert_covered
from components.syncapi.streams.history import (
    RECORDS_AT_ONCE,
    HistoryPart,
    HistorySource,
    Stage,
    moved,
    part_of,
    places,
)
from logs.topics import OUTPUT_ROOM_EVENT
from matrix.identifiers import RoomID

_ROOMS_AT_ONCE: Final = 1000


class RoomStages:
    """Reads rooms, one after another, and then what is told beside the records of events."""

    def __init__(self, source: HistorySource) -> None:
        self._log: Final = source.log
        self._history: Final = source.owners.rooms
        self._former: Final = source.former
        self._next_rooms: Final[deque[RoomID]] = deque()

    def stages(self) -> list[Stage]:
        """Return the histories.

        What the copy that served knows of events is for where nothing else tells it.
        """
        return [
            Stage(1, "rooms", self._room),
            Stage(4, "transactions", self._transactions),
            Stage(5, "former events", self._former_events),
        ]

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
        page = await self._history.query_room_history(
            room_id=room_id, after_place=cursor.room_place or 0, limit=RECORDS_AT_ONCE
        )
        records = [OUTPUT_ROOM_EVENT.decode(record) for record in page.records]
        is_whole = page.next_place is None
        after = replace(
            cursor,
            room_place=page.next_place,
            order=cursor.order + len(records),
            rooms=cursor.rooms + is_whole,
        )
        return part_of(
            self._log,
            OUTPUT_ROOM_EVENT,
            [
                (one.room_id, order, one)
                for one, order in zip(records, places(cursor), strict=False)
            ],
            after,
            partial(upsert_covered, room_id=room_id, upto=cursor.covered) if is_whole else None,
        )

    async def _room_after(self, room_id: str) -> RoomID | None:
        if not self._next_rooms:
            self._next_rooms.extend(
                await self._history.query_rooms(after=room_id, limit=_ROOMS_AT_ONCE)
            )
        return self._next_rooms.popleft() if self._next_rooms else None

    async def _transactions(self, cursor: Cursor) -> HistoryPart:
        page = await self._history.query_sent_events(after=cursor.place, limit=RECORDS_AT_ONCE)
        carried = [Carried(one.event_id, one.device_id, one.transaction_id) for one in page.events]
        return _carried(carried, moved(cursor, page.next_place, len(carried)))

    async def _former_events(self, cursor: Cursor) -> HistoryPart:
        """Return what the copy that served knows, of redacted events above all.

        The room server has no more of them than is left: not which thread they were in, nor
        whether they counted as writing.
        """
        if self._former is None:
            return _carried([], moved(cursor, None, 0))
        after = cursor.place[0] if cursor.place else ""
        read = partial(select_carried, after=after, limit=RECORDS_AT_ONCE)
        carried = await self._former.read(read, heavy_for="rebuild")
        place = [carried[-1].event_id] if len(carried) == RECORDS_AT_ONCE else None
        return _carried(carried, moved(cursor, place, len(carried)))


def _carried(carried: list[Carried], after: Cursor) -> HistoryPart:
    also = partial(update_carried, events=carried)
    return HistoryPart(OUTPUT_ROOM_EVENT.name, {}, after, also)
