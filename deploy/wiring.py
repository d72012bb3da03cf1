"""How components are put together, those of one process directly and others by calls.

A component is imported where it is built: a process holds no code of those that it does not run.
"""

import secrets
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from deploy import apis
from deploy.asked_apis import UserApis
from deploy.ground import Ground, given
from deploy.processed import Processed, processed
from deploy.version import version
from internalapi.clientapi import Departures
from internalapi.receipts import FullyReadMarkers
from internalapi.syncapi import Relations
from logs.consumer.loop import Consumer
from matrix.identifiers import ServerName
from requesting.remembered_tokens import RememberedTokens

if TYPE_CHECKING:
    from components.clientapi import assembly as clientapi
    from components.eduserver import assembly as eduserver
    from components.receipts import assembly as receipts
    from components.roomserver import assembly as roomserver
    from components.syncapi import assembly as syncapi
    from components.userapi import assembly as userapi


class Components(NamedTuple):
    """The components of this process."""

    users: "userapi.UserApi | None"
    rooms: "roomserver.RoomServer | None"
    reading: "receipts.ReceiptServer | None"
    typing: "eduserver.EduServer | None"
    sync: "syncapi.SyncApi | None"
    clients: "clientapi.ClientApi | None"
    tokens: RememberedTokens | None
    """Where others of these ask a user API that is not."""
    processed: Processed

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
    late = apis.LateDepartures() if "clientapi" in names else None
    departures = late if late is not None or ground.calls is None else ground.calls.departures()
    done = processed(ground, names)
    reading = await _build_receipts(ground, done) if "receipts" in names else None
    users = (
        await _build_users(ground, departures, apis.markers(reading, ground))
        if "userapi" in names
        else None
    )
    rooms = await _build_rooms(ground) if "roomserver" in names else None
    typing = await _build_typing(ground, done) if "eduserver" in names else None
    asked = apis.user_apis(users, ground) if {"syncapi", "clientapi"} & set(names) else None
    sync = await _build_sync(ground, given(asked), rooms) if "syncapi" in names else None
    relations = apis.relations(sync, ground) if "clientapi" in names else None
    clients = (
        _build_clients(ground, given(asked), rooms, relations, done)
        if "clientapi" in names
        else None
    )
    if late is not None and clients is not None:
        late.departures = clients.departures
    tokens = asked.authentication if asked is not None else None
    remembered = tokens if isinstance(tokens, RememberedTokens) else None
    return Components(users, rooms, reading, typing, sync, clients, remembered, done)


async def _build_users(
    ground: Ground, departures: Departures | None, markers: FullyReadMarkers | None
) -> "userapi.UserApi":
    from components.userapi import assembly as userapi  # noqa: PLC0415

    users = userapi.build(
        settings=ground.settings.userapi,
        server_name=ServerName(ground.settings.server_name),
        database=await ground.open_database(userapi.SCHEMA, durable=True),
        log=ground.log,
        clock=ground.clock,
        random_bytes=secrets.token_bytes,
        version=version(),
        default_room_version=ground.settings.default_room_version,
        forget_when_leaving=ground.settings.clientapi.forget_when_leaving,
        departures=departures,
        markers=markers,
    )
    ground.stack.callback(users.close)
    return users


async def _build_rooms(ground: Ground) -> "roomserver.RoomServer":
    from components.roomserver import assembly as roomserver  # noqa: PLC0415

    return roomserver.build(
        log=ground.log,
        database=await ground.open_database(roomserver.SCHEMA),
        settings=ground.settings.roomserver,
        clock=ground.clock,
    )


async def _build_receipts(ground: Ground, done: Processed) -> "receipts.ReceiptServer":
    from components.receipts import assembly as receipts  # noqa: PLC0415

    return receipts.build(
        log=ground.log,
        database=await ground.open_database(receipts.SCHEMA),
        settings=ground.settings.receipts,
        on_processed=done.note,
    )


async def _build_typing(ground: Ground, done: Processed) -> "eduserver.EduServer":
    from components.eduserver import assembly as eduserver  # noqa: PLC0415

    return eduserver.build(
        log=ground.log,
        database=await ground.open_database(eduserver.SCHEMA),
        clock=ground.clock,
        settings=ground.settings.eduserver,
        on_processed=done.note,
    )


async def _build_sync(
    ground: Ground, user_apis: UserApis, rooms: "roomserver.RoomServer | None"
) -> "syncapi.SyncApi":
    from components.syncapi import assembly as syncapi  # noqa: PLC0415

    rebuilds = await ground.open_database(syncapi.REBUILDS_SCHEMA)
    copy = await syncapi.query_serving(rebuilds)
    room_apis = apis.room_apis(rooms, ground)
    return await syncapi.build(
        log=ground.log,
        database=await ground.open_database(syncapi.SCHEMA.numbered(copy)),
        serving=syncapi.ServingCopy(rebuilds, copy),
        settings=ground.settings.syncapi,
        clock=ground.clock,
        authentication=user_apis.authentication,
        filters=user_apis.filters,
        aliases=room_apis.directory,
        events=room_apis.queries,
        reports=user_apis.reports,
        user_directory=user_apis.user_directory,
    )


def _build_clients(
    ground: Ground,
    user_apis: UserApis,
    rooms: "roomserver.RoomServer | None",
    relations: Relations | None,
    done: Processed,
) -> "clientapi.ClientApi":
    from components.clientapi import assembly as clientapi  # noqa: PLC0415

    room_apis = apis.room_apis(rooms, ground)
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
        key=given(ground.key),
        clock=ground.clock,
        settings=ground.settings.clientapi,
        default_room_version=ground.settings.default_room_version,
        relations=relations,
        processed=done.inputs,
    )
