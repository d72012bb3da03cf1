"""What client sync is to the rest of the server."""

from collections.abc import Sequence
from typing import Final

from base.database import Schema
from base.metrics import Family
from components.syncapi.public_paths import PUBLIC_PATHS
from components.syncapi.settings import SyncApiSettings
from describing.component import Component, InternalApi
from describing.ground import Ground
from describing.parts import ComponentParts, served
from describing.tables import Keeps, Rebuild, Rebuilding, Tables
from internalapi.keyserver import KeyHistory
from internalapi.receipts import ReceiptHistory
from internalapi.roomserver import RoomDirectory, RoomHistory, RoomQueries
from internalapi.syncapi import EventVisibility, Relations
from internalapi.userapi import (
    Authentication,
    DehydratedDevices,
    Filters,
    Reports,
    UserDirectory,
    UserHistory,
)
from logs.rebuilding import RebuildGround
from logs.topics import (
    OUTPUT_CLIENT_DATA,
    OUTPUT_KEY_CHANGE,
    OUTPUT_RECEIPT,
    OUTPUT_ROOM_EVENT,
    SEND_TO_DEVICE,
)


def _schema() -> Schema:
    from components.syncapi.assembly import SCHEMA

    return SCHEMA


def _families() -> Sequence[Family]:
    from components.syncapi import assembly
    from components.syncapi.memory import recent
    from components.syncapi.streams import to_device

    return (*assembly.FAMILIES, *recent.FAMILIES, *to_device.FAMILIES)


async def _rebuild(on: Rebuilding) -> None:
    from components.syncapi.projection.rebuild import RebuiltSync
    from components.syncapi.streams.history import Histories
    from logs.rebuilding.rebuild import NOTICE_S, rebuild

    histories = Histories(
        on.history(RoomHistory),
        on.history(UserHistory),
        on.history(ReceiptHistory),
        on.history(KeyHistory),
    )
    reader = RebuiltSync(on.log, histories, on.section(SyncApiSettings), on.clock)
    ground = RebuildGround(on.log, on.register, on.copies)
    await rebuild(ground, reader, on.show, notice_s=0 if on.is_alone else NOTICE_S)


async def _build(ground: Ground) -> ComponentParts:
    from components.syncapi.assembly import build
    from logs.rebuilding.copies import rebuilds_schema, select_serving
    from logs.rebuilding.serving import ServingCopy

    register = await ground.open_database(rebuilds_schema("syncapi"))
    copy = await register.read(select_serving)
    sync = await build(
        log=ground.log,
        database=await ground.open_database(_schema().numbered(copy)),
        serving=ServingCopy(register, copy),
        settings=ground.section(SyncApiSettings),
        clock=ground.clock,
        authentication=ground.ask(Authentication),
        filters=ground.ask(Filters),
        aliases=ground.ask(RoomDirectory),
        events=ground.ask(RoomQueries),
        reports=ground.ask(Reports),
        user_directory=ground.ask(UserDirectory),
        dehydrated_devices=ground.ask(DehydratedDevices),
    )
    return ComponentParts(
        router=sync.router,
        apis=(
            served(Relations).by(sync.relations),
            served(EventVisibility).by(sync.visibility),
        ),
        consumers=sync.consumers,
        tasks={f"syncapi, {name}": part.run for name, part in sync.tasks().items()},
        readings=sync.readings,
        serving=sync.serving,
        drain=(sync.end_long_polls,),
    )


COMPONENT: Final = Component(
    name="syncapi",
    title="Client sync",
    number=4,
    settings=SyncApiSettings,
    url_help="Client sync, which the client API asks whether a reaction is a repeat.",
    serves=(InternalApi(Relations), InternalApi(EventVisibility)),
    asks_at_start=(Authentication, DehydratedDevices, Filters, Reports, UserDirectory),
    asks_later=(RoomQueries, RoomDirectory),
    tables=Tables(
        schema=_schema,
        keeps=Keeps.DERIVED,
        rebuild=Rebuild(
            rebuilt_from=(RoomHistory, UserHistory, ReceiptHistory, KeyHistory), perform=_rebuild
        ),
    ),
    consumes=(
        OUTPUT_ROOM_EVENT,
        OUTPUT_CLIENT_DATA,
        OUTPUT_RECEIPT,
        SEND_TO_DEVICE,
        OUTPUT_KEY_CHANGE,
    ),
    public_paths=PUBLIC_PATHS,
    families=_families,
    build=_build,
)
