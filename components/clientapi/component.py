"""What the client API is to the rest of the server."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from base.metrics import Family
from components.clientapi.public_paths import PUBLIC_PATHS
from components.clientapi.settings import ClientApiSettings
from describing.component import Component, InternalApi
from describing.ground import Ground
from describing.parts import ComponentParts, served
from internalapi.clientapi import Departures
from internalapi.roomserver import RoomDirectory, RoomQueries
from internalapi.syncapi import EventVisibility, Relations
from internalapi.userapi import (
    AccountData,
    Accounts,
    Authentication,
    Devices,
    Profiles,
    ReplacedRooms,
)


def _families() -> Sequence[Family]:
    from roomwriting.outcomes import outcome_families

    return outcome_families("clientapi")


def _capabilities(section: ClientApiSettings) -> Mapping[str, Any]:
    return {"m.forget_forced_upon_leave": {"enabled": section.forget_when_leaving}}


async def _build(ground: Ground) -> ComponentParts:
    from components.clientapi.assembly import build

    processed = ground.hear_processed()
    clients = build(
        log=ground.log,
        rooms=ground.ask(RoomQueries),
        directory=ground.ask(RoomDirectory),
        authentication=ground.ask(Authentication),
        profiles=ground.ask(Profiles),
        accounts=ground.ask(Accounts),
        account_data=ground.ask(AccountData),
        replaced_rooms=ground.ask(ReplacedRooms),
        devices=ground.ask(Devices),
        server_name=ground.server.server_name,
        key=ground.key,
        clock=ground.clock,
        settings=ground.section(ClientApiSettings),
        default_room_version=ground.server.default_room_version,
        relations=ground.ask(Relations),
        visibility=ground.ask(EventVisibility),
        processed=processed,
    )
    return ComponentParts(
        router=clients.router,
        apis=(served(Departures).by(clients.departures),),
        tasks={"clientapi, outcomes": clients.outcomes.run},
        readings=clients.readings,
        checks={"clientapi outcomes": clients.outcomes.check_reading},
        ready=(clients.outcomes.wait_ready, processed.heard.wait),
    )


COMPONENT: Final = Component(
    name="clientapi",
    title="Client API",
    number=2,
    settings=ClientApiSettings,
    url_help="The client API, which the user API calls when an account is deactivated.",
    serves=(InternalApi(Departures),),
    asks_at_start=(
        Authentication,
        Profiles,
        Accounts,
        AccountData,
        ReplacedRooms,
        Devices,
        RoomQueries,
        RoomDirectory,
    ),
    asks_later=(Relations, EventVisibility),
    public_paths=PUBLIC_PATHS,
    signs=True,
    families=_families,
    capabilities=_capabilities,
    not_rebuilt="the client API keeps nothing, and fills its memory when it starts.",
    build=_build,
)
