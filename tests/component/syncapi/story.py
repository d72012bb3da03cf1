"""Client sync under test, and rooms whose output records a test writes by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from base.clock import ManualClock
from base.database import Database, Schema, open_database
from base.http import ApplicationSettings, application
from base.http.testing import Answer
from base.tasks import Tasks
from components.syncapi.assembly import SCHEMA, SyncApi, build
from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.catalogue import STREAMS
from components.syncapi.streams.stream import StreamKinds
from internalapi.roomserver import StoredEvent
from internalapi.userapi import FoundUser, FoundUsers, KnownDevice, NewReport, Requester
from logs.embedded import EmbeddedLog
from logs.log import Origin, Outgoing, Position
from logs.rebuilding.copies import rebuilds_schema, select_serving
from logs.rebuilding.serving import ServingCopy
from logs.records.client_data import AccountDataChanged, OutputClientData
from logs.records.key_changes import OutputKeyChange
from logs.records.receipts import OutputReceipt
from logs.records.room_input import Transaction
from logs.records.room_output import (
    EventAdded,
    OldEventAdded,
    OutputRoomEvent,
    RedactionApplied,
    RedactionWithheld,
    StateChange,
)
from logs.records.to_device import SendToDevice
from logs.records.typing import TypingChanged
from logs.topics import (
    OUTPUT_CLIENT_DATA,
    OUTPUT_KEY_CHANGE,
    OUTPUT_RECEIPT,
    OUTPUT_ROOM_EVENT,
    OUTPUT_TYPING,
    SEND_TO_DEVICE,
    TOPICS,
)
from matrix.building import build_event
from matrix.errors import MatrixError, NotFound, UnknownToken
from matrix.events import Event
from matrix.identifiers import DeviceID, EventID, RoomAlias, RoomID, UserID
from matrix.redaction import redact
from matrix.room_versions import room_version
from matrix.signing import SigningKey
from tests.spec.clients import CheckedClient

KEY = SigningKey.generate("a1", b"k" * 32)
VERSION = room_version("11")
ALICE = UserID("@alice:xylem.test")
BOB = UserID("@bob:xylem.test")
CHARLIE = UserID("@charlie:xylem.test")
NOW_MS = 1_700_000_100_000


class Accounts:
    """Access tokens are user IDs, with a device after a slash; filters are given by ID."""

    def __init__(self) -> None:
        self.filters: dict[str, dict[str, Any]] = {}
        self.refused: dict[str, MatrixError] = {}
        """By access token why it is good no longer."""
        self.expires_at_ms: dict[str, int] = {}
        """By access token when it stops being good."""
        self.device_numbers: dict[str, int] = {}
        """By access token which of the devices with its ID it is of."""
        self.dehydrated: dict[str, KnownDevice] = {}
        self.guests: set[str] = set()
        self.events: dict[str, Event] = {}
        """What the room server knows, by event ID."""
        self.aliases: dict[str, RoomID] = {}
        self.reports: list[NewReport] = []
        self.named: list[UserID] = []
        """Whom every search of the directory finds."""
        self.finds_all = False

    async def query_token(self, *, access_token: str) -> Requester:
        user_id, _, device_id = access_token.partition("/")
        if not user_id.startswith("@"):
            raise UnknownToken
        if access_token in self.refused:
            raise self.refused[access_token]
        is_guest = user_id in self.guests
        return Requester(
            UserID(user_id),
            DeviceID(device_id or "PHONE"),
            is_guest=is_guest,
            expires_at_ms=self.expires_at_ms.get(access_token),
            device_number=self.device_numbers.get(access_token, 0),
        )

    async def query_dehydrated_device(self, *, user_id: UserID) -> KnownDevice | None:
        return self.dehydrated.get(user_id)

    async def perform_replace_dehydrated_device(
        self, *, user_id: UserID, device_id: DeviceID, display_name: str | None
    ) -> int:
        raise NotImplementedError

    async def perform_remove_dehydrated_device(self, *, user_id: UserID) -> KnownDevice | None:
        raise NotImplementedError

    async def perform_add_report(self, *, report: NewReport) -> None:
        self.reports.append(report)

    async def query_users(
        self, *, searcher: UserID, term: str, skipped: int, limit: int
    ) -> FoundUsers:
        assert term
        others = [FoundUser(one) for one in self.named if one != searcher]
        return FoundUsers(others[skipped : skipped + limit], are_for_all=self.finds_all)

    async def query_events(self, *, event_ids: list[EventID]) -> list[StoredEvent]:
        return [StoredEvent(self.events[one]) for one in event_ids if one in self.events]

    async def query_alias(self, *, alias: RoomAlias) -> RoomID | None:
        return self.aliases.get(alias)

    async def query_filter(self, *, user_id: UserID, filter_id: str) -> dict[str, Any]:
        del user_id
        if filter_id not in self.filters:
            raise NotFound
        return self.filters[filter_id]


class Room:
    """A room with one line of events; each method returns the record that announces one."""

    def __init__(self, name: str = "room") -> None:
        self.room_id = RoomID(f"!{name}:xylem.test")
        self.state: dict[tuple[str, str], Event] = {}
        self.latest: Event | None = None
        self.visibility = "shared"
        self._now = NOW_MS - 50_000

    def rewind(self, milliseconds: int) -> None:
        """Let what comes next be sent earlier than it would be; by a negative number, later."""
        self._now -= milliseconds

    def build(
        self,
        kind: str,
        content: Mapping[str, Any],
        *,
        sender: UserID = ALICE,
        state_key: str | None = None,
        redacts: EventID | None = None,
    ) -> Event:
        """Return an event after the latest one."""
        self._now += 1
        return build_event(
            version=VERSION,
            room_id=self.room_id,
            type=kind,
            sender=sender,
            content=content,
            origin_server_ts=self._now,
            depth=1 if self.latest is None else self.latest.depth + 1,
            prev_events=[] if self.latest is None else [self.latest.event_id],
            auth_events=[],
            server_name="xylem.test",
            key=KEY,
            state_key=state_key,
            redacts=redacts,
        )

    def added(
        self,
        event: Event,
        *,
        transaction: Transaction | None = None,
        state_only: tuple[Event, ...] = (),
    ) -> EventAdded:
        """Return the record of a new event; the events `state_only` become state with it."""
        changes: list[StateChange] = []
        before = self.visibility
        replaced: Event | None = None
        for one in [*([event] if event.state_key is not None else []), *state_only]:
            held = self.state.get(one.state_tuple)
            changes.append(
                StateChange(*one.state_tuple, one.event_id, None if held is None else held.event_id)
            )
            if one is event:
                replaced = held
            self.state[one.state_tuple] = one
            if one.type == "m.room.history_visibility":
                self.visibility = one.content["history_visibility"]
        self.latest = event
        return EventAdded(
            self.room_id,
            event.event_id,
            VERSION.identifier,
            event.raw,
            before,
            changes,
            {one.event_id: one.raw for one in state_only},
            None if replaced is None else replaced.raw,
            transaction=transaction,
        )

    def withheld(self, *events: Event) -> RedactionWithheld:
        """Return the record of a redaction that nobody sees, with which these become state."""
        redaction = self.build("m.room.redaction", {}, redacts=EventID("$unknown"))
        told = self.added(redaction, state_only=events)
        return RedactionWithheld(
            self.room_id,
            redaction.event_id,
            is_waiting=True,
            room_version=VERSION.identifier,
            history_visibility=told.history_visibility,
            state_changes=told.state_changes,
            state_events=told.state_events,
        )

    def state_event(
        self, kind: str, content: Mapping[str, Any], *, sender: UserID = ALICE, state_key: str = ""
    ) -> EventAdded:
        return self.added(self.build(kind, content, sender=sender, state_key=state_key))

    def member(
        self, user_id: UserID, membership: str, *, by: UserID | None = None, **content: Any
    ) -> EventAdded:
        return self.state_event(
            "m.room.member",
            {"membership": membership, **content},
            sender=by or user_id,
            state_key=user_id,
        )

    def message(
        self, body: str, *, sender: UserID = ALICE, transaction: Transaction | None = None
    ) -> EventAdded:
        event = self.build("m.room.message", {"msgtype": "m.text", "body": body}, sender=sender)
        return self.added(event, transaction=transaction)

    def created(self, *members: UserID, visibility: str | None = None) -> list[OutputRoomEvent]:
        """Return the records of a new room: create, join rules, the members, in this order."""
        records: list[OutputRoomEvent] = [
            self.state_event("m.room.create", {"room_version": "11"}),
            self.member(ALICE, "join"),
            self.state_event("m.room.join_rules", {"join_rule": "public"}),
        ]
        if visibility is not None:
            records.append(self.hides(visibility))
        return [*records, *(self.member(user_id, "join") for user_id in members)]

    def hides(self, visibility: str) -> EventAdded:
        return self.state_event("m.room.history_visibility", {"history_visibility": visibility})

    def redacted(self, target: EventAdded) -> list[OutputRoomEvent]:
        """Return the records of a redaction that takes effect."""
        event = Event(orjson.loads(target.pdu), VERSION, EventID(target.event_id), target.pdu)
        redaction = self.build("m.room.redaction", {}, redacts=event.event_id)
        added = self.added(redaction)
        return [
            added,
            RedactionApplied(
                self.room_id,
                event.event_id,
                VERSION.identifier,
                orjson.dumps(redact(event.pdu, VERSION)),
                redaction.event_id,
                redaction.raw,
            ),
        ]

    def old(self, body: str) -> OldEventAdded:
        event = self.build("m.room.message", {"msgtype": "m.text", "body": body})
        return OldEventAdded(
            self.room_id, event.event_id, VERSION.identifier, event.raw, self.visibility
        )


class House:
    """Running client sync with its log."""

    def __init__(
        self, log: EmbeddedLog, sync: SyncApi, accounts: Accounts, clock: ManualClock
    ) -> None:
        self.log = log
        self.sync_api = sync
        self.accounts = accounts
        self.clock = clock
        self.release: Callable[[], object] = lambda: None
        """Starts the consumer that was held back."""
        self._client = CheckedClient(application([sync.router], settings=ApplicationSettings()))

    async def put(self, *records: OutputRoomEvent, origin: Origin | None = None) -> None:
        """Announce records, all at once."""
        await announce(self.log, *records, origin=origin)

    async def put_account_data(
        self, user_id: str, kind: str, content: Any, room_id: str | None = None
    ) -> None:
        """Announce account data."""
        await self.put_client_data(
            AccountDataChanged(user_id, kind, orjson.dumps(content), room_id)
        )

    async def put_client_data(self, record: OutputClientData) -> None:
        """Announce what concerns a user."""
        await self.log.append(
            OUTPUT_CLIENT_DATA.name, [Outgoing(record.user_id, OUTPUT_CLIENT_DATA.encode(record))]
        )

    async def move_receipts(self, *records: OutputReceipt) -> None:
        """Announce receipts."""
        await self.log.append(
            OUTPUT_RECEIPT.name,
            [Outgoing(record.room_id, OUTPUT_RECEIPT.encode(record)) for record in records],
        )

    async def let_type(self, room_id: str, *user_ids: str) -> None:
        """Announce who types in a room."""
        record = TypingChanged(room_id, list(user_ids))
        await self.log.append(OUTPUT_TYPING.name, [Outgoing(room_id, OUTPUT_TYPING.encode(record))])

    async def send_to_device(self, *records: SendToDevice) -> None:
        """Write messages to devices."""
        await self.log.append(
            SEND_TO_DEVICE.name,
            [Outgoing(record.user_id, SEND_TO_DEVICE.encode(record)) for record in records],
        )

    async def change_keys(self, *records: OutputKeyChange) -> None:
        """Announce changes of keys."""
        await self.log.append(
            OUTPUT_KEY_CHANGE.name,
            [Outgoing(record.user_id, OUTPUT_KEY_CHANGE.encode(record)) for record in records],
        )

    async def projected(self) -> None:
        """Wait until all that was put is projected."""
        for consumer in self.sync_api.consumers:
            await self.until_projected(consumer.topic.name)

    async def until_projected(self, topic: str) -> None:
        """Wait until all that was put into one topic is projected."""
        [consumer] = [one for one in self.sync_api.consumers if one.topic.name == topic]
        for partition, (_, end) in (await self.log.bounds(topic)).items():
            if end:
                await consumer.wait_for(Position(partition, end - 1), timeout_s=10)

    async def until_waiting(self, user_id: str) -> None:
        """Return once a long poll of the user waits."""
        async with asyncio.timeout(10):
            while not self.sync_api.is_waiting(user_id):  # noqa: ASYNC110 (nothing announces it)
                await asyncio.sleep(0)

    async def get(self, token: str, path: str, *, version: str = "v3", **query: Any) -> Answer:
        """Ask as a user, with a query of strings, numbers, booleans, and filters as objects.

        Without a token as nobody.
        """
        texts = {
            name.rstrip("_"): orjson.dumps(value).decode()
            if isinstance(value, dict)
            else str(value).lower()
            if isinstance(value, bool)
            else str(value)
            for name, value in query.items()
            if value is not None
        }
        target = f"/_matrix/client/{version}/{path}" + (f"?{urlencode(texts)}" if texts else "")
        client = self._client.as_user(token) if token else self._client
        return await client.request("GET", target)

    async def post(self, token: str, path: str, body: Any) -> Answer:
        """Send something as a user."""
        return await self._client.as_user(token).post(f"/_matrix/client/v3/{path}", body)

    async def post_unstable(self, token: str, path: str, body: Any) -> Answer:
        """Send something to an endpoint that the specification does not have."""
        return await self._client.as_user(token).post(f"/_matrix/client/unstable/{path}", body)

    async def sync(self, token: str, since: str | None = None, **query: Any) -> dict[str, Any]:
        """Return the answer of /sync."""
        if since is not None:
            await self.projected()
        answer = await self.get(token, "sync", since=since, **query)
        assert answer.status == 200, answer
        body: dict[str, Any] = answer.json
        return body

    async def room(self, token: str, room: Room, path: str, **query: Any) -> Answer:
        """Read something of a room."""
        return await self.get(token, f"rooms/{quote(room.room_id)}/{path}", **query)


async def announce(
    log: EmbeddedLog, *records: OutputRoomEvent, origin: Origin | None = None
) -> None:
    """Announce records, all at once, whether anybody reads them or not."""
    await log.append(
        OUTPUT_ROOM_EVENT.name,
        [Outgoing(record.room_id, OUTPUT_ROOM_EVENT.encode(record), origin) for record in records],
    )


async def open_tables(database_url: str, schema: Schema = SCHEMA) -> tuple[Database, ServingCopy]:
    """Open the copy of the tables that serves."""
    rebuilds = await open_database(database_url, rebuilds_schema(SCHEMA.name))
    copy = await rebuilds.read(select_serving)
    return await open_database(database_url, schema.numbered(copy)), ServingCopy(rebuilds, copy)


def topics_of(streams: StreamKinds) -> set[str]:
    """Return all topics, those of further streams too."""
    return {*TOPICS, *(stream.topic.name for stream in streams)}


@asynccontextmanager
async def running_house(
    folder: Path,
    database_url: str,
    settings: SyncApiSettings | None = None,
    partitions: int = 1,
    *,
    streams: StreamKinds = STREAMS,
    schema: Schema = SCHEMA,
    held_back: str = "",
) -> AsyncIterator[House]:
    """Start client sync over the log in this folder; one topic is not consumed yet."""
    log = await EmbeddedLog.open(folder / "log", dict.fromkeys(topics_of(streams), partitions))
    database, serving = await open_tables(database_url, schema)
    accounts, clock = Accounts(), ManualClock(NOW_MS)
    sync = await build(
        log=log,
        database=database,
        settings=settings or SyncApiSettings(),
        clock=clock,
        authentication=accounts,
        filters=accounts,
        serving=serving,
        aliases=accounts,
        events=accounts,
        reports=accounts,
        user_directory=accounts,
        dehydrated_devices=accounts,
        streams=streams,
    )
    try:
        async with Tasks() as tasks:
            house = House(log, sync, accounts, clock)
            for consumer in sync.consumers:
                start = partial(tasks.start, consumer.topic.name, consumer.run())
                if consumer.topic.name == held_back:
                    house.release = start
                else:
                    start()
            for name, reader in sync.readers.items():
                tasks.start(name, reader.run())
            yield house
            sync.end_long_polls()
    finally:
        await log.close()
        await database.close()
        await serving.rebuilds.close()


def bodies(events: list[dict[str, Any]]) -> list[str]:
    """Return the bodies of messages, of others the type."""
    return [event["content"].get("body", event["type"]) for event in events]
