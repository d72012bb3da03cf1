"""What the media server is to the rest of the server."""

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from base.database import Schema
from components.mediaapi.public_paths import PUBLIC_PATHS
from components.mediaapi.settings import MediaApiSettings
from describing.component import Component
from describing.ground import Ground
from describing.parts import ComponentParts, Run
from describing.tables import Keeps, Tables
from internalapi.userapi import Authentication

if TYPE_CHECKING:
    from components.mediaapi.operating import MediaOperatorService


def _schema() -> Schema:
    from components.mediaapi.assembly import SCHEMA

    return SCHEMA


def _operator_router(operator: "MediaOperatorService") -> Any:
    from components.mediaapi.routes.operators import operator_router

    return operator_router(operator)


async def _build(ground: Ground) -> ComponentParts:
    from components.mediaapi.assembly import build

    server = build(
        server_name=ground.server.server_name,
        database=await ground.open_database(_schema(), durable=True),
        folder=ground.folder,
        authentication=ground.ask(Authentication),
        clock=ground.clock,
        settings=ground.section(MediaApiSettings),
        is_alone=ground.server.is_alone,
    )
    tasks: dict[str, Run] = {"mediaapi, sweeping": server.sweeping.run}
    if server.previews is not None:
        tasks["mediaapi, previews"] = server.previews.run
    return ComponentParts(
        router=server.router,
        operator_routers=(partial(_operator_router, server.operator),),
        tasks=tasks,
        drain=(server.waits.end,),
        close=(server.files.close, server.thumbnails.close),
    )


COMPONENT: Final = Component(
    name="mediaapi",
    title="Media server",
    number=8,
    settings=MediaApiSettings,
    url_help="The media server, which no component calls; for `xylem status`.",
    asks_at_start=(Authentication,),
    tables=Tables(schema=_schema, keeps=Keeps.DURABLE),
    folder="media",
    public_paths=PUBLIC_PATHS,
    not_rebuilt="media is in no log: restore its database and its files from the backup.",
    build=_build,
)
