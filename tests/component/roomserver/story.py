"""A room server under test, and a room whose events a test writes by hand."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from base.clock import SystemClock
from base.database import open_database
from base.tasks import Tasks
from components.roomserver.assembly import SCHEMA, RoomServer, build
from components.roomserver.history import RoomHistoryReader
from components.roomserver.settings import RoomServerSettings
from logs.embedded import EmbeddedLog
from logs.log import Outgoing, Tail
from logs.records.room_input import AddEvent, AddState, InputRoomEvent, Transaction
from logs.records.room_output import OutputRoomEvent
from logs.topics import INPUT_ROOM_EVENT, OUTPUT_ROOM_EVENT, TOPICS
from matrix.auth_rules import auth_state_keys
from matrix.building import build_event
from matrix.events import Event
from matrix.hashing import reference_hash
from matrix.identifiers import EventID, RoomID, UserID
from matrix.room_versions import RoomVersion, room_version
from matrix.signing import SigningKey
from matrix.state_keys import StateKey
from matrix.unpadded_base64 import encode_base64

KEY = SigningKey.generate("a1", b"k" * 32)
ALICE = UserID("@alice:xylem.test")
BOB = UserID("@bob:xylem.test")
CHARLIE = UserID("@charlie:xylem.test")
MALLORY = UserID("@mallory:elsewhere.test")


class House:
    """A running room server with its log."""

    def __init__(
        self, log: EmbeddedLog, server: RoomServer, history: RoomHistoryReader, tail: Tail
    ) -> None:
        self.log = log
        self.server = server
        self.history = history
        self._tail = tail
        self._read: list[OutputRoomEvent] = []

    async def put(self, *records: InputRoomEvent, room_id: str = "") -> None:
        """Append inputs at once."""
        await self.log.append(
            INPUT_ROOM_EVENT.name,
            [Outgoing(room_id or "!room", INPUT_ROOM_EVENT.encode(one)) for one in records],
        )

    async def outputs(self, count: int) -> list[OutputRoomEvent]:
        """Wait for the next outputs and return them."""
        while len(self._read) < count:
            self._read.extend(
                OUTPUT_ROOM_EVENT.decode(one.value) for one in await self._tail.read()
            )
        taken, self._read = self._read[:count], self._read[count:]
        return taken

    async def add(self, *events: Event, **options: Any) -> list[OutputRoomEvent]:
        """Add events and return as many outputs."""
        await self.put(*(added(event, **options) for event in events))
        return await self.outputs(len(events))


@asynccontextmanager
async def running_house(
    folder: Path, database_url: str, settings: RoomServerSettings | None = None
) -> AsyncIterator[House]:
    """Start a room server over the log in this folder."""
    log = await EmbeddedLog.open(folder / "log", dict.fromkeys(TOPICS, 1))
    database = await open_database(database_url, SCHEMA)
    tail = await log.tail(OUTPUT_ROOM_EVENT.name)
    settings = settings or RoomServerSettings()
    server = build(log=log, database=database, settings=settings, clock=SystemClock())
    try:
        async with Tasks() as tasks:
            tasks.start("roomserver", server.consumer.run())
            yield House(log, server, RoomHistoryReader(database, settings), tail)
    finally:
        await tail.close()
        await log.close()
        await database.close()


def added(event: Event, **options: Any) -> AddEvent:
    """Return the input that adds an event."""
    return AddEvent(event.event_id, event.room_version.identifier, event.raw, **options)


class Room:
    """A room's events, built one on another or wherever the test says."""

    def __init__(self, version: str = "12") -> None:
        self.version: RoomVersion = room_version(version)
        self.room_id = RoomID("!room:xylem.test")
        self.state: dict[StateKey, Event] = {}
        self.latest: Sequence[Event] = ()
        self._now = 1_700_000_000_000

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
        after: Sequence[Event] | None = None,
        state: Mapping[StateKey, Event] | None = None,
        redacts: EventID | None = None,
        auth: Sequence[Event] | None = None,
        depth: int | None = None,
        origin_server_ts: int | None = None,
    ) -> Event:
        """Return an event that follows `after` (default: the latest), unsent.

        It names the events of `state` (default: as followed) that authorise it, unless `auth`
        are given.
        """
        prev = self.latest if after is None else after
        holders = self.state if state is None else state
        keys = auth_state_keys(
            self.version, type=kind, sender=sender, state_key=state_key, content=content
        )
        self._now += 1
        if auth is None:
            auth = [holders[key] for key in keys if key in holders]
        is_create = kind == "m.room.create"
        return build_event(
            version=self.version,
            room_id=None if is_create and self.version.create_event_is_room_id else self.room_id,
            type=kind,
            sender=sender,
            content=content,
            state_key=state_key,
            origin_server_ts=self._now if origin_server_ts is None else origin_server_ts,
            depth=1 + max((one.depth for one in prev), default=0) if depth is None else depth,
            prev_events=[one.event_id for one in prev],
            auth_events=[one.event_id for one in auth],
            redacts=redacts,
            server_name="xylem.test",
            key=KEY,
            event_id_suffix=f"event{self._now}" if self.version.has_event_id_field else None,
            reference_hashes={
                one.event_id: encode_base64(reference_hash(one.pdu, self.version))
                for one in (*prev, *auth)
            },
        )

    def follow(self, event: Event) -> Event:
        """Let the next event follow this one."""
        self.latest = (event,)
        self.room_id = event.room_id
        if event.state_key is not None:
            self.state[event.state_tuple] = event
        return event

    def next(self, kind: str, content: Mapping[str, Any], **options: Any) -> Event:
        """Build an event that the next one follows."""
        return self.follow(self.build(kind, content, **options))

    def message(self, text: str, **options: Any) -> Event:
        """Build a message that the next event follows."""
        return self.next("m.room.message", {"msgtype": "m.text", "body": text}, **options)

    def beginning(self) -> list[Event]:
        """Build the first events of a public room of alice's, with bob in it."""
        create: dict[str, Any] = {"room_version": self.version.identifier}
        if not self.version.creator_is_sender:
            create["creator"] = ALICE
        users = {} if self.version.privileged_creators else {ALICE: 100}
        return [
            self.next("m.room.create", create, state_key=""),
            self.member(ALICE, "join"),
            self.next("m.room.power_levels", {"users": users}, state_key=""),
            self.next("m.room.join_rules", {"join_rule": "public"}, state_key=""),
            self.member(BOB, "join"),
        ]

    def member(self, user_id: UserID, membership: str, *, sender: UserID | None = None) -> Event:
        """Build a membership that the next event follows."""
        return self.next(
            "m.room.member",
            {"membership": membership},
            sender=sender or user_id,
            state_key=user_id,
        )


__all__ = [
    "ALICE",
    "BOB",
    "CHARLIE",
    "MALLORY",
    "AddState",
    "House",
    "Room",
    "Transaction",
    "added",
    "running_house",
]
