"""What /sync tells of receipts and typing, beside the events of rooms."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec
import orjson

from base.database import Connection, pace_of
from base.slices import Slices
from components.syncapi.changes import AccountDatum, Membership
from components.syncapi.memory.projected import Projected
from components.syncapi.memory.receipts import RoomReceipts, render_receipts
from components.syncapi.memory.typing_rooms import TypingList
from components.syncapi.receipt import FULLY_READ, PUBLIC, Receipt
from components.syncapi.rooms.paging import FROM_THE_START
from components.syncapi.store.receipts import select_receipts
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.looking import PartitionOf
from components.syncapi.streams.rooms.sections import render_account_data, wants
from components.syncapi.tokens import SyncTokens
from matrix.filters import EventFilter

_NO_DATA: Final[Sequence[AccountDatum]] = ()
_NO_ROOMS: Final[list[str]] = []
_NO_EVENTS: Final[Sequence[bytes]] = ()
_NOTHING_MORE: Final = b'"account_data":{"events":[]},"ephemeral":{"events":[]}}'


class Ephemeral(msgspec.Struct, gc=False):
    """What memory knew, and of which rooms the database is asked for receipts."""

    events: dict[str, list[bytes]] = msgspec.field(default_factory=dict)
    fully_read: dict[str, AccountDatum] = msgspec.field(default_factory=dict)
    recounted: set[str] = msgspec.field(default_factory=set)
    """Rooms whose unread counts may have changed, whatever else there is to tell of them."""
    wanted: dict[str, int] = msgspec.field(default_factory=dict)
    """Rooms with the first order that the client has not seen."""

    def further_rooms(self) -> list[str]:
        """Return the rooms of which something is told here."""
        if not (self.events or self.fully_read or self.recounted):
            return _NO_ROOMS
        return list(dict.fromkeys([*self.events, *self.fully_read, *sorted(self.recounted)]))


class EphemeralLook:
    """Looks for receipts and typing in the rooms of one user."""

    def __init__(
        self,
        projected: Projected,
        *,
        tokens: SyncTokens,
        room_partition: PartitionOf,
        receipt_partition: PartitionOf,
        typing_partition: PartitionOf,
        slices: Slices,
    ) -> None:
        self._slices: Final = slices
        self._projected: Final = projected
        self._tokens: Final = tokens
        self._room_partition: Final = room_partition
        self._receipt_partition: Final = receipt_partition
        self._typing_partition: Final = typing_partition

    def look(
        self,
        request: SyncRequest,
        memberships: Mapping[str, Membership],
        begun: Collection[str],
    ) -> Ephemeral:
        """Return what memory knows; `begun` are joined rooms of which the client knows nothing."""
        found = Ephemeral(wanted=dict.fromkeys(begun, FROM_THE_START))
        for room_id in begun:
            typing = self._projected.typing_rooms.get(self._typing_partition(room_id), room_id)
            if typing is not None and typing.user_ids:
                _add_typing(found, request, typing)
        since = request.since
        if since is None:
            return found

        def is_told(room_id: str) -> bool:
            now = memberships.get(room_id)
            return (
                now is not None
                and now.membership == "join"
                and room_id not in found.wanted
                and request.filter.room.includes_room(room_id)
            )

        for typing in self._projected.typing_rooms.changed_since(since.typing):
            if is_told(typing.room_id):
                _add_typing(found, request, typing)
        recent = self._projected.recent_receipts
        if recent.reaches(since.receipts):
            for room, order in recent.changed_since(since.receipts):
                if is_told(room.room_id):
                    upto = request.upto.receipts[self._receipt_partition(room.room_id)]
                    _add_recent(found, request, room, order, upto)
        else:
            found.wanted.update(
                {
                    room_id: since.receipts[self._receipt_partition(room_id)]
                    for room_id in memberships
                    if is_told(room_id)
                }
            )
        return found

    def read(self, connection: Connection, request: SyncRequest, found: Ephemeral) -> None:
        """Add what only the database knows."""
        rooms: dict[str, list[Receipt]] = {}
        for receipt in select_receipts(connection, request.user_id, found.wanted):
            room_id = receipt.room_id
            upto = request.upto.receipts[self._receipt_partition(room_id)]
            if found.wanted[room_id] <= receipt.stream_order < upto:
                rooms.setdefault(room_id, []).append(receipt)
        pace = pace_of(connection)
        for room_id, receipts in rooms.items():
            # What is read is counted already: nothing fails from here on.
            pace.step(0)
            _add_receipts(found, request, room_id, receipts)

    async def complete(
        self,
        request: SyncRequest,
        parts: Sequence[tuple[str, bytes]],
        account_data: Mapping[str, Sequence[AccountDatum]],
        found: Ephemeral,
        unread: Mapping[str, bytes],
    ) -> list[tuple[str, bytes]]:
        """Return the parts of joined rooms with all that belongs to them, and further parts.

        `unread` has the unread counts of all these rooms.
        """
        whole: list[tuple[str, bytes]] = []
        for room_id, part in parts:
            await self._slices.next()
            rest = _rest(room_id, account_data, found)
            whole.append((room_id, b"%b,%b,%b" % (part[:-1], unread[room_id], rest)))
        further = found.further_rooms()
        if further:
            there = {room_id for room_id, _ in parts}
            for room_id in further:
                if room_id not in there:
                    await self._slices.next()
                    quiet, rest = self._quiet(request, room_id), _rest(room_id, account_data, found)
                    whole.append((room_id, b"%b,%b,%b" % (quiet, unread[room_id], rest)))
        return whole

    def _quiet(self, request: SyncRequest, room_id: str) -> bytes:
        """Return the beginning of the part of a room without new events."""
        place = self._tokens.encode_place(request.upto.rooms[self._room_partition(room_id)])
        return b'{"%b":{"events":[]},"timeline":{"events":[],"limited":false,"prev_batch":"%b"}' % (
            request.state_name.encode(),
            place.encode(),
        )


def _rest(
    room_id: str, account_data: Mapping[str, Sequence[AccountDatum]], found: Ephemeral
) -> bytes:
    data, events = account_data.get(room_id, _NO_DATA), found.events.get(room_id, _NO_EVENTS)
    marker = found.fully_read.get(room_id)
    if marker is not None:
        data = [*data, marker]
    if not data and not events:
        return _NOTHING_MORE
    return b'%b,"ephemeral":{"events":[%b]}}' % (render_account_data(data), b",".join(events))


def _add_typing(found: Ephemeral, request: SyncRequest, typing: TypingList) -> None:
    event_filter, room_id = request.filter.room.ephemeral, typing.room_id
    users = typing.user_ids
    if not event_filter.is_pass_all:
        if not _wants_type(event_filter, "m.typing", room_id):
            return
        users = [user for user in users if event_filter.matches("m.typing", user, room_id, {})]
    event = b'{"type":"m.typing","content":{"user_ids":%b}}' % orjson.dumps(users)
    found.events.setdefault(room_id, []).append(event)


def _wants_type(event_filter: EventFilter, kind: str, room_id: str) -> bool:
    return (
        event_filter.includes_room(room_id)
        and not event_filter.contains_url
        and (event_filter.types is None or event_filter.types.match(kind))
        and not event_filter.not_types.match(kind)
    )


def _add_recent(
    found: Ephemeral, request: SyncRequest, room: RoomReceipts, order: int, upto: int
) -> None:
    receipts = room.since(order)
    if receipts and receipts[-1].stream_order >= upto:
        receipts = [one for one in receipts if one.stream_order < upto]
    if any(one.user_id == request.user_id for one in receipts):
        _note_recount(found, request, receipts)
    if not request.filter.room.ephemeral.is_pass_all or any(
        one.receipt_type != PUBLIC and one.user_id == request.user_id for one in receipts
    ):
        _add_receipts(found, request, room.room_id, receipts)
        return
    public = [one for one in receipts if one.receipt_type == PUBLIC]
    if not public:
        return
    first, last = public[0].stream_order, public[-1].stream_order
    shared = room.shared
    if shared is None or shared[:2] != (first, last):
        shared = room.shared = (first, last, render_receipts(public))
    found.events.setdefault(room.room_id, []).extend(shared[2])


def _note_recount(found: Ephemeral, request: SyncRequest, receipts: Sequence[Receipt]) -> None:
    # Other devices take the badge away, whether or not they ask for receipts.
    found.recounted.update(
        [
            one.room_id
            for one in receipts
            if one.user_id == request.user_id and one.receipt_type != FULLY_READ
        ]
    )


def _add_receipts(
    found: Ephemeral, request: SyncRequest, room_id: str, receipts: Sequence[Receipt]
) -> None:
    user_id, room_filter = request.user_id, request.filter.room
    _note_recount(found, request, receipts)
    shown: list[Receipt] = []
    for receipt in receipts:
        if not receipt.is_for(user_id):
            continue
        if receipt.receipt_type == FULLY_READ:
            content = orjson.dumps({"event_id": receipt.event_id})
            marker = AccountDatum(user_id, room_id, FULLY_READ, receipt.stream_order, content)
            if wants(room_filter.account_data, marker):
                found.fully_read[room_id] = marker
        elif room_filter.ephemeral.matches("m.receipt", receipt.user_id, room_id, {}):
            shown.append(receipt)
    if shown:
        found.events.setdefault(room_id, []).extend(render_receipts(shown))
