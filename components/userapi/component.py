"""What the user API is to the rest of the server."""

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from base.database import Database, Schema
from components.userapi.announced import ANNOUNCED
from components.userapi.public_paths import PUBLIC_PATHS
from components.userapi.settings import UserApiSettings
from describing.component import Component, InternalApi, StandIn
from describing.ground import Ground
from describing.parts import ComponentParts, served
from describing.tables import Keeps, Tables, kept_history
from internalapi.clientapi import Departures
from internalapi.receipts import FullyReadMarkers
from internalapi.userapi import (
    AccountData,
    Accounts,
    Authentication,
    CurrentTokens,
    DehydratedDevices,
    Devices,
    Filters,
    Profiles,
    ReplacedRooms,
    Reports,
    UserDirectory,
    UserHistory,
    UserProofs,
)

if TYPE_CHECKING:
    from components.userapi.operating import OperatorService


def _schema() -> Schema:
    from components.userapi.assembly import SCHEMA

    return SCHEMA


def _history(database: Database, _section: Any) -> UserHistory:
    from components.userapi.history import UserHistoryReader

    return UserHistoryReader(database)


def _operator_router(operator: "OperatorService") -> Any:
    from components.userapi.routes.operators import operator_router

    return operator_router(operator)


def _lease_s(ground: Ground) -> float:
    """Return how long processes trust their memory of tokens; one alone needs no lease."""
    return 0.0 if ground.server.is_alone else ground.section(UserApiSettings).revocation_lease_s


def _remember_tokens(ground: Ground) -> StandIn:
    from requesting.remembered_tokens import RememberedTokens

    settings = ground.section(UserApiSettings)
    tokens = RememberedTokens(
        ground.ask(CurrentTokens),
        ground.log,
        ground.clock,
        size=settings.token_cache_size,
        ask_again_s=settings.last_seen_interval_s,
        lease_s=_lease_s(ground),
    )
    return StandIn(tokens, tokens.run, tokens.readings)


async def _build(ground: Ground) -> ComponentParts:
    from components.userapi.assembly import build

    server = ground.server
    users = build(
        settings=ground.section(UserApiSettings),
        server_name=server.server_name,
        database=await ground.open_database(_schema(), durable=True),
        log=ground.log,
        clock=ground.clock,
        random_bytes=secrets.token_bytes,
        version=server.version,
        default_room_version=server.default_room_version,
        capabilities=server.capabilities,
        departures=ground.ask(Departures),
        markers=ground.ask(FullyReadMarkers),
        lease_s=_lease_s(ground),
    )
    return ComponentParts(
        router=users.router,
        apis=(
            served(Authentication).by(users.authentication),
            served(CurrentTokens).by(users.current_tokens),
            served(Accounts).by(users.accounts),
            served(Profiles).by(users.profiles),
            served(Filters).by(users.filters),
            served(AccountData).by(users.account_data),
            served(Reports).by(users.reports),
            served(ReplacedRooms).by(users.replaced_rooms),
            served(UserDirectory).by(users.user_directory),
            served(Devices).by(users.devices),
            served(DehydratedDevices).by(users.dehydrated_devices),
            served(UserProofs).by(users.proofs),
        ),
        tasks={"userapi": users.run},
        operator_routers=(partial(_operator_router, users.operator),),
        readings=users.readings,
        close=(users.close,),
    )


COMPONENT: Final = Component(
    name="userapi",
    title="User API",
    number=1,
    settings=UserApiSettings,
    url_help="The user API, which the client API and sync call.",
    serves=(
        InternalApi(Authentication, stand_in=_remember_tokens),
        InternalApi(CurrentTokens),
        InternalApi(Accounts),
        InternalApi(Profiles),
        InternalApi(Filters),
        InternalApi(AccountData),
        InternalApi(Reports),
        InternalApi(ReplacedRooms),
        InternalApi(UserDirectory),
        InternalApi(Devices),
        InternalApi(DehydratedDevices),
        InternalApi(UserProofs),
    ),
    asks_later=(Departures, FullyReadMarkers),
    tables=Tables(
        schema=_schema,
        keeps=Keeps.DURABLE,
        announces=ANNOUNCED,
        histories=(kept_history(UserHistory, _history),),
    ),
    public_paths=PUBLIC_PATHS,
    not_rebuilt="accounts and what users keep are in no log, and the user API's database is where "
    "they are kept for good: restore it from its backup.",
    build=_build,
)
