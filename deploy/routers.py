"""What clients, and components in other processes, reach of the components of this process."""

from collections.abc import Callable
from typing import TypeVar

from base.http import Router
from deploy.apis import apis_of_rooms, apis_of_users
from deploy.readiness import OUTAGES
from deploy.wiring import Components
from internalapi.clientapi import Departures
from internalapi.receipts import FullyReadMarkers
from internalapi.roomserver import RoomDirectory, RoomQueries
from internalapi.syncapi import Relations
from internalapi.transport import api_router
from internalapi.userapi import (
    AccountData,
    Accounts,
    Authentication,
    CurrentTokens,
    Filters,
    Profiles,
    ReplacedRooms,
    Reports,
    UserDirectory,
)

P = TypeVar("P")


def client_routers(components: Components) -> list[Router]:
    """Return what clients reach of these components."""
    parts = (components.users, components.clients, components.sync)
    return [part.router for part in parts if part is not None]


def internal_routers(components: Components, secret: str) -> list[Router]:
    """Return what other components reach of these."""
    routers: list[Router] = []

    def serve(protocol: Callable[..., P], api: P) -> None:
        routers.append(api_router(protocol, api, secret=secret, outages=OUTAGES))

    if components.users is not None:
        users = apis_of_users(components.users)
        serve(Authentication, users.authentication)
        serve(CurrentTokens, users.current_tokens)
        serve(Accounts, users.accounts)
        serve(Profiles, users.profiles)
        serve(Filters, users.filters)
        serve(AccountData, users.account_data)
        serve(Reports, users.reports)
        serve(ReplacedRooms, users.replaced_rooms)
        serve(UserDirectory, users.user_directory)
    if components.rooms is not None:
        rooms, shares = apis_of_rooms(components.rooms), components.rooms.held
        routers.append(
            api_router(RoomQueries, rooms.queries, secret=secret, outages=OUTAGES, shares=shares)
        )
        serve(RoomDirectory, rooms.directory)
    if components.reading is not None:
        markers: FullyReadMarkers = components.reading.markers
        serve(FullyReadMarkers, markers)
    if components.sync is not None:
        relations: Relations = components.sync.relations
        serve(Relations, relations)
    if components.clients is not None:
        departures: Departures = components.clients.departures
        serve(Departures, departures)
    return routers
