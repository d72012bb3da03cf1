"""How components are put together, those of one process directly and others by calls."""

import secrets
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from base.clock import Clock
from base.database import Database, Schema
from base.tasks import Tasks
from components.clientapi import component as clientapi
from components.eduserver import component as eduserver
from components.receipts import component as receipts
from components.roomserver import component as roomserver
from components.syncapi import component as syncapi
from components.userapi import component as userapi
from deploy.internal_calls import InternalCalls, RoomApis, UserApis
from deploy.observing import Observing
from deploy.remembered_tokens import RememberedTokens
from deploy.settings import Settings
from deploy.trimming import Trimmer
from internalapi.clientapi import Departures
from internalapi.syncapi import Relations
from logs.consumer_loop import Consumer
from logs.log import Log
from logs.topics import INPUT_ROOM_EVENT
from matrix.errors import Unavailable
from matrix.identifiers import ServerName, UserID
from matrix.signing import SigningKey

T = TypeVar("T")

COMPONENTS: Final = ("userapi", "roomserver", "receipts", "eduserver", "syncapi", "clientapi")
"""In the order of their start: each comes after those that it asks."""
ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "userapi": (),
    "roomserver": (),
    "receipts": (),
    "eduserver": (),
    "syncapi": ("userapi",),
    "clientapi": ("userapi", "roomserver"),
}
"""Which components each one asks, and waits for at its start."""
ASKED_LATER: Final[Mapping[str, tuple[str, ...]]] = {
    "userapi": ("clientapi",),
    "syncapi": ("roomserver",),
    "clientapi": ("syncapi",),
}
"""Which ones it asks besides, that wait for it."""


class OpenDatabase(Protocol):
    """Opens a component's database, which the process closes."""

    async def __call__(self, schema: Schema, *, durable: bool = False) -> Database:
        """Return the database; one that no log can rebuild is `durable`."""
        ...


class Ground(NamedTuple):
    """What components stand on."""

    settings: Settings
    log: Log
    clock: Clock
    open_database: OpenDatabase
    key: SigningKey | None
    """Where the client API is built."""
    calls: InternalCalls | None
    """Where components of other processes are asked."""
    stack: AsyncExitStack


class LateDepartures:
    """Takes users out of their rooms once the client API, which asks the user API, is built."""

    def __init__(self) -> None:
        self.departures: Departures | None = None

    async def perform_leave_all(self, *, user_id: UserID) -> None:
        """Leave all rooms of a local user. Raises `Unavailable`, also before it is connected."""
        if self.departures is None:
            raise Unavailable("The client API is not built yet.")
        await self.departures.perform_leave_all(user_id=user_id)


class Components(NamedTuple):
    """The components of this process."""

    users: userapi.UserApi | None
    rooms: roomserver.RoomServer | None
    reading: receipts.ReceiptServer | None
    typing: eduserver.EduServer | None
    sync: syncapi.SyncApi | None
    clients: clientapi.ClientApi | None
    tokens: RememberedTokens | None
    """Where others of these ask a user API that is not."""

    def consumers(self) -> list[Consumer[Any]]:
        """Return the consumers of these components, all of them."""
        found: list[Consumer[Any]] = [
            part.consumer for part in (self.rooms, self.reading, self.typing) if part is not None
        ]
        if self.sync is not None:
            found += (self.sync.room_events, self.sync.client_data, self.sync.receipts)
        return found


async def build(ground: Ground, names: Collection[str]) -> Components:
    """Put these components together over their databases; nothing runs yet."""
    late = LateDepartures() if "clientapi" in names else None
    departures = late if late is not None or ground.calls is None else ground.calls.departures()
    users = await _build_users(ground, departures) if "userapi" in names else None
    rooms = await _build_rooms(ground) if "roomserver" in names else None
    reading = await _build_receipts(ground) if "receipts" in names else None
    typing = await _build_typing(ground) if "eduserver" in names else None
    asked = _user_apis(users, ground) if {"syncapi", "clientapi"} & set(names) else None
    sync = await _build_sync(ground, _given(asked), rooms) if "syncapi" in names else None
    relations = _relations(sync, ground) if "clientapi" in names else None
    clients = (
        _build_clients(ground, _given(asked), rooms, relations) if "clientapi" in names else None
    )
    if late is not None and clients is not None:
        late.departures = clients.departures
    tokens = asked.authentication if asked is not None else None
    remembered = tokens if isinstance(tokens, RememberedTokens) else None
    return Components(users, rooms, reading, typing, sync, clients, remembered)


async def _build_users(ground: Ground, departures: Departures | None) -> userapi.UserApi:
    users = userapi.build(
        settings=ground.settings.userapi,
        server_name=ServerName(ground.settings.server_name),
        database=await ground.open_database(userapi.SCHEMA, durable=True),
        log=ground.log,
        clock=ground.clock,
        random_bytes=secrets.token_bytes,
        default_room_version=ground.settings.default_room_version,
        forget_when_leaving=ground.settings.clientapi.forget_when_leaving,
        departures=departures,
    )
    ground.stack.callback(users.close)
    return users


async def _build_rooms(ground: Ground) -> roomserver.RoomServer:
    return roomserver.build(
        log=ground.log,
        database=await ground.open_database(roomserver.SCHEMA),
        settings=ground.settings.roomserver,
        clock=ground.clock,
    )


async def _build_receipts(ground: Ground) -> receipts.ReceiptServer:
    return receipts.build(
        log=ground.log,
        database=await ground.open_database(receipts.SCHEMA),
        settings=ground.settings.receipts,
    )


async def _build_typing(ground: Ground) -> eduserver.EduServer:
    return eduserver.build(
        log=ground.log,
        database=await ground.open_database(eduserver.SCHEMA),
        clock=ground.clock,
        settings=ground.settings.eduserver,
    )


async def _build_sync(
    ground: Ground, user_apis: UserApis, rooms: roomserver.RoomServer | None
) -> syncapi.SyncApi:
    rebuilds = await ground.open_database(syncapi.REBUILDS_SCHEMA)
    copy = await syncapi.query_serving(rebuilds)
    return await syncapi.build(
        log=ground.log,
        database=await ground.open_database(syncapi.SCHEMA.numbered(copy)),
        serving=syncapi.Serving(rebuilds, copy),
        settings=ground.settings.syncapi,
        clock=ground.clock,
        authentication=user_apis.authentication,
        filters=user_apis.filters,
        aliases=_room_apis(rooms, ground).directory,
        events=_room_apis(rooms, ground).queries,
        reports=user_apis.reports,
    )


def _build_clients(
    ground: Ground,
    user_apis: UserApis,
    rooms: roomserver.RoomServer | None,
    relations: Relations | None,
) -> clientapi.ClientApi:
    room_apis = _room_apis(rooms, ground)
    return clientapi.build(
        log=ground.log,
        rooms=room_apis.queries,
        directory=room_apis.directory,
        authentication=user_apis.authentication,
        profiles=user_apis.profiles,
        accounts=user_apis.accounts,
        account_data=user_apis.account_data,
        replaced_rooms=user_apis.replaced_rooms,
        server_name=ServerName(ground.settings.server_name),
        key=_given(ground.key),
        clock=ground.clock,
        settings=ground.settings.clientapi,
        default_room_version=ground.settings.default_room_version,
        relations=relations,
    )


def _relations(sync: syncapi.SyncApi | None, ground: Ground) -> Relations | None:
    if sync is not None:
        return sync.relations
    return None if ground.calls is None else ground.calls.relations()


def _user_apis(users: userapi.UserApi | None, ground: Ground) -> UserApis:
    if users is not None:
        return apis_of_users(users)
    elsewhere = _given(ground.calls).users()
    tokens = RememberedTokens(elsewhere.current_tokens, ground.clock, ground.settings.userapi)
    return elsewhere._replace(authentication=tokens)


def apis_of_users(users: userapi.UserApi) -> UserApis:
    """Return what others ask this user API."""
    return UserApis(
        users.authentication,
        users.current_tokens,
        users.accounts,
        users.profiles,
        users.filters,
        users.account_data,
        users.reports,
        users.replaced_rooms,
    )


def _room_apis(rooms: roomserver.RoomServer | None, ground: Ground) -> RoomApis:
    if rooms is not None:
        return apis_of_rooms(rooms)
    partition_of = partial(ground.log.partition_of, INPUT_ROOM_EVENT.name)
    return _given(ground.calls).rooms(partition_of)


def apis_of_rooms(rooms: roomserver.RoomServer) -> RoomApis:
    """Return what others ask this room server."""
    return RoomApis(rooms.queries, rooms.directory)


def _given(value: T | None) -> T:
    if value is None:
        raise RuntimeError("The process was not given what its components need.")
    return value


def start(tasks: Tasks, components: Components, ground: Ground) -> None:
    """Run the components; those started last, which stand on the others, are stopped first."""
    users, rooms, reading, typing, sync, clients, tokens = components
    if tokens is not None:
        tasks.start("tokens", tokens.run(ground.log))
    if users is not None:
        tasks.start("userapi", users.run())
    if rooms is not None:
        tasks.start("roomserver", rooms.consumer.run())
    if reading is not None:
        tasks.start("receipts", reading.consumer.run())
    if typing is not None:
        tasks.start("eduserver", typing.consumer.run())
        tasks.start("eduserver, expiry", typing.expiry.run())
    if sync is not None:
        tasks.start("syncapi, rooms", sync.room_events.run())
        tasks.start("syncapi, client data", sync.client_data.run())
        tasks.start("syncapi, receipts", sync.receipts.run())
        tasks.start("syncapi, typing", sync.typing.run())
        tasks.start("syncapi, follower", sync.follower.run())
    if clients is not None:
        tasks.start("clientapi, outcomes", clients.outcomes.run())
    # Kafka drops by age alone; the embedded log is in the process of all its readers.
    if ground.settings.log.kafka is None:
        trimmer = Trimmer(ground.log, components.consumers(), ground.clock)
        tasks.start("trimmer", trimmer.run(ground.settings.log.trim_interval_s))


def watch(observing: Observing, components: Components) -> None:
    """Show what the components count, and ask their consumers whether they are ready."""
    users, rooms, _, _, sync, clients, _ = components
    for consumer in components.consumers():
        observing.consumer(consumer)
    for part in (users, rooms, sync, clients):
        if part is not None:
            observing.sources(part.readings)
    if clients is not None:
        observing.checks.add("clientapi outcomes", clients.outcomes.check_reading)


def asked_elsewhere(names: Collection[str]) -> set[str]:
    """Return the components that these ask and that are not among them, whenever they ask."""
    asked = {one for name in names for one in (*ASKED[name], *ASKED_LATER.get(name, ()))}
    return asked - set(names)
