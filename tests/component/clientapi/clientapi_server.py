"""The client API over a real room server, user API, embedded log and databases."""

import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from base.clock import Clock, ManualClock, SystemClock
from base.database import DatabaseOutage, open_database
from base.http import application
from base.http.testing import Answer
from base.tasks import Tasks
from components.clientapi.assembly import ClientApi
from components.clientapi.assembly import build as build_clientapi
from components.clientapi.settings import ClientApiSettings
from components.roomserver.assembly import SCHEMA as ROOMS_SCHEMA
from components.roomserver.assembly import RoomServer
from components.roomserver.assembly import build as build_roomserver
from components.roomserver.settings import RoomServerSettings
from components.userapi.assembly import SCHEMA as USERS_SCHEMA
from components.userapi.assembly import UserApi
from components.userapi.assembly import build as build_userapi
from components.userapi.settings import UserApiSettings
from internalapi.syncapi import Relations
from internalapi.userapi import Profiles
from logs.embedded import EmbeddedLog
from logs.log import Log, LogOutage
from logs.topics import TOPICS
from matrix.events import Event
from matrix.identifiers import EventID, RoomID, ServerName, UserID
from matrix.signing import SigningKey
from tests.spec.clients import CheckedClient

SERVER_NAME = ServerName("xylem.test")
V3 = "/_matrix/client/v3"
KEY = SigningKey.generate("a1", b"k" * 32)
NO_RATES = ClientApiSettings(
    outcome_timeout_s=20,
    send_rate_per_user=None,
    join_rate_per_user=None,
    invite_rate_per_user=None,
    creation_rate_per_user=None,
    request_rate_per_user=None,
    to_device_rate_per_user=None,
)
USERS = UserApiSettings(
    registration="open",
    guests_allowed=True,
    bcrypt_cost=4,
    registration_rate_per_address=None,
)


class House:
    """A running server, its users, and what its rooms hold."""

    def __init__(
        self, replicas: list[ClientApi], users: UserApi, rooms: RoomServer, log: Log
    ) -> None:
        self.users = users
        self.rooms = rooms
        self.log = log
        self.replicas = [
            CheckedClient(
                application([one.router, users.router], outages=(DatabaseOutage, LogOutage))
            )
            for one in replicas
        ]
        self.client = self.replicas[0]
        self.departures = replicas[0].departures

    async def user(self, localpart: str, *, is_admin: bool = False) -> "User":
        """Make an account and return its user."""
        account = await self.users.accounts.perform_create_account(
            localpart=localpart, password=None, is_admin=is_admin
        )
        assert account.access_token is not None
        return User(self, account.user_id, account.access_token)

    async def guest(self) -> "User":
        """Make a guest account and return its user."""
        answer = await self.client.post(f"{V3}/register?kind=guest", {})
        assert answer.status == 200, answer
        return User(self, UserID(answer.json["user_id"]), answer.json["access_token"])

    async def event(self, event_id: str) -> Event:
        """Return an event as the room server keeps it."""
        [stored] = await self.rooms.queries.query_events(event_ids=[EventID(event_id)])
        return stored.event

    async def state(self, room_id: str) -> dict[tuple[str, str], Event]:
        """Return the current state of a room."""
        events = await self.rooms.queries.query_state(room_id=RoomID(room_id))
        return {one.state_tuple: one for one in events}

    async def content(self, room_id: str, event_type: str, state_key: str = "") -> Any:
        """Return the content of a state event, `None` where there is none."""
        event = (await self.state(room_id)).get((event_type, state_key))
        return None if event is None else event.content

    async def membership(self, room_id: str, user: "User") -> str | None:
        """Return the membership of a user."""
        content = await self.content(room_id, "m.room.member", user.user_id)
        return None if content is None else str(content["membership"])

    async def history(self, room_id: str) -> list[Event]:
        """Return the events of a room from the first to the latest, along their prev events."""
        head = await self.rooms.queries.query_room_head(room_id=RoomID(room_id), state_keys=[])
        found: dict[str, Event] = {}
        wanted = list(head.latest_event_ids)
        while wanted:
            stored = await self.rooms.queries.query_events(event_ids=wanted)
            found.update({one.event.event_id: one.event for one in stored})
            prev = {prev for one in stored for prev in one.event.prev_event_ids}
            wanted = [one for one in prev if one not in found]
        return sorted(found.values(), key=lambda event: event.depth)


class User:
    """A user with a client."""

    def __init__(self, house: House, user_id: UserID, access_token: str) -> None:
        self.user_id = user_id
        self.house = house
        self.replicas = [one.as_user(access_token) for one in house.replicas]
        self.client = self.replicas[0]
        self._transactions = itertools.count()

    async def post(self, path: str, body: Any = None) -> Answer:
        """Send POST below the version."""
        return await self.client.post(V3 + path, {} if body is None else body)

    async def put(self, path: str, body: Any) -> Answer:
        """Send PUT below the version."""
        return await self.client.put(V3 + path, body)

    async def get(self, path: str) -> Answer:
        """Send GET below the version."""
        return await self.client.get(V3 + path)

    async def delete(self, path: str) -> Answer:
        """Send DELETE below the version."""
        return await self.client.delete(V3 + path)

    async def create_room(self, **options: Any) -> str:
        """Create a room and return its ID."""
        answer = await self.post("/createRoom", options)
        assert answer.status == 200, answer
        return str(answer.json["room_id"])

    async def in_room(self, action: str, room_id: str, **body: Any) -> Answer:
        """Send POST to an endpoint of a room."""
        return await self.post(f"/rooms/{quote(room_id)}/{action}", body)

    async def join(self, room_id: str) -> Answer:
        """Join a room."""
        return await self.in_room("join", room_id)

    async def send(
        self,
        room_id: str,
        content: Mapping[str, Any] | None = None,
        *,
        kind: str = "m.room.message",
        transaction: str | None = None,
    ) -> Answer:
        """Send an event, a message by default."""
        body = {"msgtype": "m.text", "body": "hello"} if content is None else content
        name = transaction or f"t{next(self._transactions)}"
        return await self.put(f"/rooms/{quote(room_id)}/send/{kind}/{name}", body)

    async def set_state(
        self, room_id: str, kind: str, content: Mapping[str, Any], state_key: str = ""
    ) -> Answer:
        """Set state."""
        return await self.put(
            f"/rooms/{quote(room_id)}/state/{kind}/{quote(state_key, safe='')}", content
        )

    async def redact(self, room_id: str, event_id: str, **body: Any) -> Answer:
        """Redact an event."""
        name = f"t{next(self._transactions)}"
        path = f"/rooms/{quote(room_id)}/redact/{quote(event_id, safe='')}/{name}"
        return await self.put(path, body)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a test wants of its server."""

    settings: ClientApiSettings = NO_RATES
    clock: Clock = SystemClock()
    replicas: int = 1
    rooms_run: bool = True
    outcomes_run: bool = True
    relations: Relations | None = None
    rooms: RoomServerSettings = RoomServerSettings()
    profiles_through: Callable[[Profiles], Profiles] | None = None
    """What the client API asks instead of the profiles themselves."""


@contextlib.asynccontextmanager
async def running_house(folder: Path, options: Options | None = None) -> AsyncIterator[House]:
    """Start the server over databases and a log in this folder."""
    options = options or Options()
    async with contextlib.AsyncExitStack() as stack:
        log = await EmbeddedLog.open(folder / "log", dict.fromkeys(TOPICS, 1))
        stack.push_async_callback(log.close)
        users = await _open_users(stack, folder, log, options.clock)
        rooms = await _open_rooms(stack, folder, log, options)
        replicas = [_build_replica(log, rooms, users, options) for _ in range(options.replicas)]
        tasks = await stack.enter_async_context(Tasks())
        tasks.start("userapi", users.run())
        if options.rooms_run:
            tasks.start("roomserver", rooms.consumer.run())
        for replica in replicas if options.outcomes_run else []:
            tasks.start("clientapi", replica.outcomes.run())
            await replica.outcomes.wait_ready()
        yield House(replicas, users, rooms, log)


async def _open_users(
    stack: contextlib.AsyncExitStack, folder: Path, log: Log, clock: Clock
) -> UserApi:
    database = await open_database(f"sqlite:///{folder}/users", USERS_SCHEMA, durable=True)
    stack.push_async_callback(database.close)
    users = build_userapi(
        settings=USERS,
        server_name=SERVER_NAME,
        database=database,
        log=log,
        clock=clock,
        random_bytes=secrets.token_bytes,
    )
    stack.callback(users.close)
    return users


async def _open_rooms(
    stack: contextlib.AsyncExitStack, folder: Path, log: Log, options: Options
) -> RoomServer:
    database = await open_database(f"sqlite:///{folder}/rooms", ROOMS_SCHEMA)
    stack.push_async_callback(database.close)
    return build_roomserver(log=log, database=database, settings=options.rooms, clock=options.clock)


def _build_replica(log: Log, rooms: RoomServer, users: UserApi, options: Options) -> ClientApi:
    return build_clientapi(
        log=log,
        rooms=rooms.queries,
        directory=rooms.directory,
        authentication=users.authentication,
        profiles=(options.profiles_through or _directly)(users.profiles),
        accounts=users.accounts,
        account_data=users.account_data,
        replaced_rooms=users.replaced_rooms,
        devices=users.devices,
        server_name=SERVER_NAME,
        key=KEY,
        clock=options.clock,
        settings=options.settings,
        default_room_version="12",
        relations=options.relations,
    )


def _directly(profiles: Profiles) -> Profiles:
    return profiles


def with_settings(**changes: Any) -> Options:
    """Return options with other settings, and a clock that stands still where rates matter."""
    settings = msgspec.structs.replace(NO_RATES, **changes)
    if any(name.endswith("_per_user") for name in changes):
        return Options(settings=settings, clock=ManualClock())
    return Options(settings=settings)


async def room_with_rule(alice: User, version: str, rule: dict[str, Any], **options: Any) -> str:
    """Make a room with this join rule."""
    state = [{"type": "m.room.join_rules", "content": rule}]
    return await alice.create_room(room_version=version, initial_state=state, **options)


__all__ = [
    "NO_RATES",
    "V3",
    "House",
    "Options",
    "User",
    "room_with_rule",
    "running_house",
    "with_settings",
]
