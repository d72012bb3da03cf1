"""What the key server is to the rest of the server."""

from typing import Any, Final

from base.database import Database, Schema
from components.keyserver.announced import ANNOUNCED
from components.keyserver.public_paths import PUBLIC_PATHS
from components.keyserver.settings import KeyServerSettings
from describing.component import Component, InternalApi
from describing.ground import Ground
from describing.parts import ComponentParts, served
from describing.tables import Keeps, Tables, kept_history
from internalapi.keyserver import KeyHistory, UserKeys
from internalapi.userapi import Authentication, DehydratedDevices, Devices, UserProofs
from logs.topics import OUTPUT_CLIENT_DATA


def _schema() -> Schema:
    from components.keyserver.assembly import SCHEMA

    return SCHEMA


def _history(database: Database, _section: Any) -> KeyHistory:
    from components.keyserver.history import KeyHistoryReader

    return KeyHistoryReader(database)


async def _build(ground: Ground) -> ComponentParts:
    from components.keyserver.assembly import build

    server = build(
        settings=ground.section(KeyServerSettings),
        server_name=ground.server.server_name,
        database=await ground.open_database(_schema(), durable=True),
        log=ground.log,
        clock=ground.clock,
        authentication=ground.ask(Authentication),
        devices=ground.ask(Devices),
        dehydrated_devices=ground.ask(DehydratedDevices),
        proofs=ground.ask(UserProofs),
    )
    return ComponentParts(
        router=server.router,
        apis=(served(UserKeys).by(server.user_keys),),
        consumers=(server.consumer,),
        tasks={
            "keyserver": server.run,
            "keyserver, deleted backups": server.deleted_backups.run,
        },
    )


COMPONENT: Final = Component(
    name="keyserver",
    title="Key server",
    number=7,
    settings=KeyServerSettings,
    url_help="The key server, for `xylem status`.",
    serves=(InternalApi(UserKeys),),
    asks_at_start=(Authentication, DehydratedDevices, Devices, UserProofs),
    tables=Tables(
        schema=_schema,
        keeps=Keeps.DURABLE,
        announces=ANNOUNCED,
        histories=(kept_history(KeyHistory, _history),),
    ),
    consumes=(OUTPUT_CLIENT_DATA,),
    public_paths=PUBLIC_PATHS,
    not_rebuilt="keys are in no log, and the key server's database is where they are kept for "
    "good: restore it from its backup.",
    build=_build,
)
