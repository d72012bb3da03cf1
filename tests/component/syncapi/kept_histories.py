"""Stories with all that is kept of them for good, and rebuilds from it."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from base.clock import SystemClock
from base.database import Database, Schema, drop_database, open_database
from components.syncapi.assembly import SCHEMA
from components.syncapi.projection.rebuild import RebuiltSync
from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.catalogue import STREAMS
from components.syncapi.streams.history import Histories
from components.syncapi.streams.stream import StreamKinds
from internalapi.keyserver import KeyHistoryPage
from internalapi.receipts import ReceiptHistoryPage
from internalapi.roomserver import RoomHistoryPage, SentEvent, SentEventsPage
from internalapi.userapi import UserHistoryPage
from logs.embedded import EmbeddedLog
from logs.log import Log, Outgoing
from logs.rebuilding import RebuildGround, RebuildProgress
from logs.rebuilding.copies import rebuilds_schema
from logs.rebuilding.rebuild import rebuild
from logs.records.client_data import (
    AccountDataChanged,
    AccountStatusChanged,
    OutputClientData,
    ProfileChanged,
)
from logs.records.key_changes import OutputKeyChange
from logs.records.receipts import FullyReadMoved, OutputReceipt, ReceiptMoved
from logs.records.room_input import Transaction
from logs.records.room_output import EventAdded, OutputRoomEvent
from logs.topics import (
    OUTPUT_CLIENT_DATA,
    OUTPUT_KEY_CHANGE,
    OUTPUT_RECEIPT,
    OUTPUT_ROOM_EVENT,
    TOPICS,
)
from matrix.identifiers import DeviceID, EventID, RoomID
from tests.component.syncapi.story import (
    ALICE,
    BOB,
    CHARLIE,
    House,
    Room,
)


class Announced:
    """What others keep of what a test announced; places are numbers of records."""

    def __init__(self, *records: OutputRoomEvent) -> None:
        self.rooms: dict[str, list[OutputRoomEvent]] = {}
        self.transactions: dict[str, Transaction] = {}
        """By event ID."""
        self.data: list[OutputClientData] = []
        self.devices: list[OutputClientData] = []
        self.statuses: list[OutputClientData] = []
        self.receipts: list[OutputReceipt] = []
        self.keys: list[OutputKeyChange] = []
        self.fails_at: str | None = None
        self.waits_for: asyncio.Event | None = None
        self.keep(*records)

    def keep(self, *records: OutputRoomEvent) -> None:
        for record in records:
            if isinstance(record, EventAdded) and record.transaction is not None:
                self.transactions[record.event_id] = record.transaction
                record = replace(record, transaction=None)  # noqa: PLW2901 (as it is kept)
            self.rooms.setdefault(record.room_id, []).append(record)

    async def query_rooms(self, *, after: str, limit: int) -> list[RoomID]:
        return [RoomID(room_id) for room_id in sorted(self.rooms) if room_id > after][:limit]

    async def query_room_history(
        self, *, room_id: RoomID, after_place: int, limit: int
    ) -> RoomHistoryPage:
        assert limit
        if self.waits_for is not None:
            await self.waits_for.wait()
        if room_id == self.fails_at:
            raise ConnectionError(room_id)
        page = self.rooms[room_id][after_place : after_place + 3]
        last = after_place + len(page)
        return RoomHistoryPage(
            [OUTPUT_ROOM_EVENT.encode(record) for record in page],
            last if last < len(self.rooms[room_id]) else None,
        )

    async def query_sent_events(self, *, after: list[str], limit: int) -> SentEventsPage:
        assert limit
        sent = [
            SentEvent(EventID(one.event_id), DeviceID(made.device_id), made.transaction_id)
            for records in self.rooms.values()
            for one in records
            if isinstance(one, EventAdded) and (made := self.transactions.get(one.event_id))
        ]
        place = int(after[0]) if after else 0
        page = sent[place : place + 2]
        end = place + len(page)
        return SentEventsPage(page, [str(end)] if end < len(sent) else None)

    async def query_user_data(self, *, after: list[str], limit: int) -> UserHistoryPage:
        return _users(self.data, after, limit)

    async def query_devices(self, *, after: list[str], limit: int) -> UserHistoryPage:
        return _users(self.devices, after, limit)

    async def query_account_statuses(self, *, after: list[str], limit: int) -> UserHistoryPage:
        return _users(self.statuses, after, limit)

    async def query_receipts(self, *, after: list[str], limit: int) -> ReceiptHistoryPage:
        assert limit
        place = int(after[0]) if after else 0
        page = self.receipts[place : place + 2]
        end = place + len(page)
        return ReceiptHistoryPage(
            [OUTPUT_RECEIPT.encode(record) for record in page],
            [str(end)] if end < len(self.receipts) else None,
        )

    async def query_key_changes(self, *, after: list[str], limit: int) -> KeyHistoryPage:
        assert limit
        place = int(after[0]) if after else 0
        page = self.keys[place : place + 2]
        end = place + len(page)
        return KeyHistoryPage(
            [OUTPUT_KEY_CHANGE.encode(record) for record in page],
            [str(end)] if end < len(self.keys) else None,
        )


def _users(records: list[OutputClientData], after: list[str], limit: int) -> UserHistoryPage:
    assert limit
    place = int(after[0]) if after else 0
    page = records[place : place + 2]
    end = place + len(page)
    return UserHistoryPage(
        [OUTPUT_CLIENT_DATA.encode(record) for record in page],
        [str(end)] if end < len(records) else None,
    )


class Copies:
    """Copies of the tables at the address of a test."""

    def __init__(self, database_url: str, *further: Schema) -> None:
        self._url = database_url
        self._further = further

    async def open(self, schema: Schema, *, may_migrate: bool) -> Database:
        schema = dataclasses.replace(schema, parts=(*schema.parts, *self._further))
        return await open_database(self._url, schema, may_migrate=may_migrate)

    async def drop(self, schema: Schema) -> None:
        await drop_database(self._url, schema)


class Killed(Exception):
    """Stands for the end of the process at this place."""


async def rebuilt_beside(
    log: Log,
    database_url: str,
    kept: Announced,
    progress: Callable[[RebuildProgress], None] = lambda _: None,
    *,
    notice_s: float = 0,
    streams: StreamKinds = STREAMS,
    further: Sequence[Schema] = (),
) -> None:
    """Rebuild; who serves meanwhile has so long to leave the former copy."""
    rebuilds = await open_database(database_url, rebuilds_schema(SCHEMA.name))
    ground = RebuildGround(log, rebuilds, Copies(database_url, *further))
    histories = Histories(kept, kept, kept, kept)
    reader = RebuiltSync(log, histories, SyncApiSettings(), SystemClock(), streams)
    try:
        await rebuild(ground, reader, progress, notice_s=notice_s)
    finally:
        await rebuilds.close()


async def rebuilt(
    folder: Path, database_url: str, kept: Announced, *, dies_after: int | None = None
) -> list[RebuildProgress]:
    """Rebuild while nothing serves, and return the progress that was told."""
    told: list[RebuildProgress] = []

    def progress(one: RebuildProgress) -> None:
        told.append(one)
        if len(told) == dies_after:
            raise Killed

    log = await EmbeddedLog.open(folder / "log", dict.fromkeys(TOPICS, 1))
    try:
        await rebuilt_beside(log, database_url, kept, progress)
    finally:
        await log.close()
    return told


async def what_clients_see(house: House, rooms: Sequence[Room]) -> list[Any]:
    """Return all that three users can read, without tokens."""
    seen: list[Any] = []
    for user in (ALICE, BOB, CHARLIE):
        answer = await house.sync(user, filter={"room": {"include_leave": True}})
        for kind, parts in sorted(answer["rooms"].items()):
            for room_id, part in sorted(parts.items()):
                part.get("timeline", {}).pop("prev_batch", None)
                for name in ("state", "state_after"):
                    if name in part:
                        part[name]["events"].sort(key=lambda event: str(event["event_id"]))
                seen.append((user, kind, room_id, part))
        for room in rooms:
            page = await house.room(user, room, "messages", dir="b", limit=100)
            seen.append((user, room.room_id, page.json.get("chunk")))
            members = await house.room(user, room, "members")
            seen.append(sorted(str(event) for event in members.json.get("chunk", ())))
    return seen


def a_long_story() -> tuple[list[Room], list[OutputRoomEvent]]:
    room, other = Room("one"), Room("other")
    secret = room.message("secret")
    records: list[OutputRoomEvent] = [
        *other.created(BOB, CHARLIE, visibility="joined"),
        other.message("hello"),
        other.state_event("m.room.topic", {"topic": "first"}),
        other.state_event("m.room.topic", {"topic": "second"}),
        other.member(CHARLIE, "leave"),
        other.message("without charlie"),
        *room.created(BOB),
        secret,
        room.old("before"),
        room.old("long before"),
        *room.redacted(secret),
        room.member(CHARLIE, "invite", by=ALICE),
        room.message("last", transaction=Transaction(ALICE, "PHONE", "last")),
        room.message("really", transaction=Transaction(ALICE, "LAPTOP", "1")),
        room.message("truly", transaction=Transaction(ALICE, "PHONE", "2")),
    ]
    return [room, other], records


def a_whole_story() -> tuple[list[Room], list[OutputRoomEvent], Announced]:
    """Return rooms, what was announced of them, and what is kept of that and of users."""
    rooms, records = a_long_story()
    room_id = rooms[0].room_id
    kept = Announced(*records)
    read = [record.event_id for record in kept.rooms[room_id]]
    kept.data = [
        AccountDataChanged(ALICE, "test.data", b'{"kept":true}'),
        AccountDataChanged(ALICE, "m.tag", b'{"tags":{"u.tea":{}}}', room_id),
        AccountDataChanged(BOB, "m.push_rules", b'{"global":{}}'),
        ProfileChanged(BOB, "displayname", b'"Bob"'),
    ]
    kept.statuses = [AccountStatusChanged(CHARLIE, False, False, False, True)]  # noqa: FBT003 (in order)
    kept.receipts = [
        ReceiptMoved(room_id, ALICE, "m.read", read[-1], 1_700_000_000_002),
        ReceiptMoved(room_id, BOB, "m.read", read[0], 1_700_000_000_001),
        ReceiptMoved(room_id, BOB, "m.read", read[1], 1_700_000_000_003, "main"),
        ReceiptMoved(room_id, BOB, "m.read.private", read[2], 1_700_000_000_004),
        FullyReadMoved(room_id, BOB, read[1]),
    ]
    return rooms, records, kept


async def announced_all(house: House, records: Sequence[OutputRoomEvent], kept: Announced) -> None:
    await house.put(*records)
    await house.log.append(
        OUTPUT_CLIENT_DATA.name,
        [Outgoing(one.user_id, OUTPUT_CLIENT_DATA.encode(one)) for one in kept.data],
    )
    await house.move_receipts(*kept.receipts)
    await house.projected()
