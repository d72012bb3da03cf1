"""The stream of receipts and fully-read markers."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import orjson

from base.database import Connection
from components.syncapi.changes import AccountDatum
from components.syncapi.receipt import FULLY_READ, PUBLIC, Receipt, receipt_of
from components.syncapi.store.receipts import select_receipts, upsert_receipts
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.events import render_datum, wants
from components.syncapi.streams.history import HistorySource, Stage
from components.syncapi.streams.receipt_history import receipt_stages
from components.syncapi.streams.recent_receipts import RecentReceipts, RoomReceipts, render_receipts
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.stream import (
    ProjectedStream,
    StreamContext,
    WantedRows,
)
from components.syncapi.timeline.paging import FROM_THE_START
from components.syncapi.tokens import Absent
from logs.consumer import Message
from logs.following.projected_topic import FollowedRecords, Reject
from logs.records.receipts import OutputReceipt
from logs.topics import OUTPUT_RECEIPT


class ReceiptStream(ProjectedStream[OutputReceipt, Sequence[Receipt]]):
    """Tells joined rooms' receipts, and the fully-read markers of the reader."""

    name = "receipts"
    number = 3
    topic = OUTPUT_RECEIPT
    absent = Absent.NOW

    def __init__(self, context: StreamContext) -> None:
        super().__init__(context)
        floors = list(self.progress.next_offsets)
        self._recent: Final = RecentReceipts(floors, context.settings.recent_receipts)

    @classmethod
    def stages(cls, source: HistorySource) -> list[Stage]:
        """Return what it is rebuilt from."""
        return receipt_stages(source)

    def write(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputReceipt]],
        reject: Reject[OutputReceipt],
    ) -> Sequence[Receipt]:
        """Write a batch of receipts."""
        del reject  # there is nothing to refuse
        receipts = [receipt_of(message.value, message.position.offset) for message in messages]
        upsert_receipts(connection, receipts)
        return receipts

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[OutputReceipt]]
    ) -> Mapping[int, Sequence[Receipt]]:
        """Return the receipts: the projection takes every one as it is."""
        del connection
        return {
            partition: [receipt_of(value, offset) for offset, value in one.records]
            for partition, one in followed.items()
        }

    def learn(self, partition: int, news: Sequence[Receipt]) -> None:
        """Take in committed receipts."""
        known = self.progress.at(partition)
        rooms: set[str] = set()
        users: set[str] = set()
        for receipt in news:
            if receipt.stream_order < known:
                continue
            self._recent.add(partition, receipt)
            self._projected.unread_counts.move_receipt(receipt, self._projected.recent_room)
            if receipt.receipt_type == PUBLIC:
                rooms.add(receipt.room_id)
            else:
                users.add(receipt.user_id)
        self._projected.wake(rooms, users)

    async def look(self, request: SyncRequest, answer: SyncAnswer) -> WantedRows[Any] | None:
        """Add what memory has; of rooms that begin, and of what is older, the database knows."""
        wanted = dict.fromkeys(answer.begun, FROM_THE_START)
        if request.since is not None:
            since = request.since[self.slot]
            if self._recent.reaches(since):
                for room, order in self._recent.changed_since(since):
                    if room.room_id not in wanted and request.shows(room.room_id):
                        upto = request.upto[self.slot][self._partition_of(room.room_id)]
                        _add_recent(answer, request, room, order, upto)
            else:
                for room_id in request.memberships:
                    if room_id not in wanted and request.shows(room_id):
                        wanted[room_id] = since[self._partition_of(room_id)]
        if not wanted:
            return None
        return WantedRows(
            partial(select_receipts, user_id=request.user_id, room_ids=wanted),
            partial(self._tell, request, answer, wanted),
            # A client that begins again hears of the receipts of many users in many rooms.
            is_heavy=bool(answer.begun),
        )

    async def _tell(
        self,
        request: SyncRequest,
        answer: SyncAnswer,
        wanted: Mapping[str, int],
        found: Sequence[Receipt],
    ) -> None:
        upto = request.upto[self.slot]
        rooms: dict[str, list[Receipt]] = {}
        for receipt in found:
            room_id = receipt.room_id
            if wanted[room_id] <= receipt.stream_order < upto[self._partition_of(room_id)]:
                rooms.setdefault(room_id, []).append(receipt)
        for room_id, receipts in rooms.items():
            await self._slices.next()
            _add_receipts(answer, request, room_id, receipts)


def _add_recent(
    answer: SyncAnswer, request: SyncRequest, room: RoomReceipts, order: int, upto: int
) -> None:
    receipts = room.since(order)
    if receipts and receipts[-1].stream_order >= upto:
        receipts = [one for one in receipts if one.stream_order < upto]
    if any(one.user_id == request.user_id for one in receipts):
        _note_recount(answer, request, receipts)
    if not request.filter.room.ephemeral.is_pass_all or any(
        one.receipt_type != PUBLIC and one.user_id == request.user_id for one in receipts
    ):
        _add_receipts(answer, request, room.room_id, receipts)
        return
    public = [one for one in receipts if one.receipt_type == PUBLIC]
    if not public:
        return
    first, last = public[0].stream_order, public[-1].stream_order
    shared = room.shared
    if shared is None or shared[:2] != (first, last):
        shared = room.shared = (first, last, render_receipts(public))
    answer.ephemeral.setdefault(room.room_id, []).extend(shared[2])


def _note_recount(answer: SyncAnswer, request: SyncRequest, receipts: Sequence[Receipt]) -> None:
    # Other devices take the badge away, whether or not they ask for receipts.
    answer.recounted.update(
        [
            one.room_id
            for one in receipts
            if one.user_id == request.user_id and one.receipt_type != FULLY_READ
        ]
    )


def _add_receipts(
    answer: SyncAnswer, request: SyncRequest, room_id: str, receipts: Sequence[Receipt]
) -> None:
    user_id, room_filter = request.user_id, request.filter.room
    _note_recount(answer, request, receipts)
    shown: list[Receipt] = []
    for receipt in receipts:
        if not receipt.is_for(user_id):
            continue
        if receipt.receipt_type == FULLY_READ:
            content = orjson.dumps({"event_id": receipt.event_id})
            marker = AccountDatum(user_id, room_id, FULLY_READ, receipt.stream_order, content)
            if wants(room_filter.account_data, marker):
                answer.account_data.setdefault(room_id, []).append(render_datum(marker))
        elif room_filter.ephemeral.matches("m.receipt", receipt.user_id, room_id, {}):
            shown.append(receipt)
    if shown:
        answer.ephemeral.setdefault(room_id, []).extend(render_receipts(shown))
