"""What the room server is to the rest of the server."""

from typing import Final

from base.database import Database, Schema
from components.roomserver.settings import RoomServerSettings
from describing.component import Component, InternalApi
from describing.ground import Ground
from describing.parts import ComponentParts, served
from describing.tables import Keeps, Tables, kept_history
from internalapi.roomserver import RoomDirectory, RoomHistory, RoomQueries
from logs.topics import INPUT_ROOM_EVENT


def _schema() -> Schema:
    from components.roomserver.assembly import SCHEMA

    return SCHEMA


def _history(database: Database, section: RoomServerSettings) -> RoomHistory:
    from components.roomserver.history import RoomHistoryReader

    return RoomHistoryReader(database, section)


async def _build(ground: Ground) -> ComponentParts:
    from components.roomserver.assembly import build

    server = build(
        log=ground.log,
        database=await ground.open_database(_schema()),
        settings=ground.section(RoomServerSettings),
        clock=ground.clock,
    )
    return ComponentParts(
        apis=(
            served(RoomQueries).by(server.queries, server.held),
            served(RoomDirectory).by(server.directory),
        ),
        consumers=(server.consumer,),
        tasks={"roomserver, cleaning": server.cleaner.run},
        readings=server.readings,
    )


COMPONENT: Final = Component(
    name="roomserver",
    title="Room server",
    number=3,
    settings=RoomServerSettings,
    url_help="The room server, which the client API calls.",
    serves=(
        # A room is asked for where its partition is.
        InternalApi(RoomQueries, shared_by=("room_id", INPUT_ROOM_EVENT)),
        InternalApi(RoomDirectory),
    ),
    tables=Tables(
        schema=_schema, keeps=Keeps.DURABLE, histories=(kept_history(RoomHistory, _history),)
    ),
    consumes=(INPUT_ROOM_EVENT,),
    not_rebuilt="the room server's database is the long-term record that readers are rebuilt from: "
    "restore it from its backup.",
    build=_build,
)
