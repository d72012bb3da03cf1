"""What the EDU server is to the rest of the server."""

from typing import Final

from base.database import Schema
from components.eduserver.settings import EduServerSettings
from describing.component import Component
from describing.ground import Ground
from describing.parts import ComponentParts
from describing.tables import Keeps, Tables
from logs.topics import INPUT_TYPING


def _schema() -> Schema:
    from components.eduserver.assembly import SCHEMA

    return SCHEMA


async def _build(ground: Ground) -> ComponentParts:
    from components.eduserver.assembly import build

    server = build(
        log=ground.log,
        database=await ground.open_database(_schema()),
        clock=ground.clock,
        settings=ground.section(EduServerSettings),
        on_processed=ground.tell_processed(),
    )
    return ComponentParts(
        consumers=(server.consumer,),
        tasks={"eduserver, expiry": server.expiry.run},
    )


COMPONENT: Final = Component(
    name="eduserver",
    title="EDU server",
    number=6,
    settings=EduServerSettings,
    url_help="The EDU server, for `xylem status`.",
    tables=Tables(schema=_schema, keeps=Keeps.MOMENTARY),
    consumes=(INPUT_TYPING,),
    not_rebuilt="typing is kept for half a minute, and then the tables are as if they had been "
    "rebuilt.",
    build=_build,
)
