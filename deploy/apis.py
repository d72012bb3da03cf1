"""What components ask of each other: the object in this process, or calls of another one."""

from functools import partial
from typing import TYPE_CHECKING

from deploy.asked_apis import RoomApis, UserApis
from deploy.ground import Ground, given
from internalapi.clientapi import Departures
from internalapi.receipts import FullyReadMarkers
from internalapi.syncapi import Relations
from logs.topics import INPUT_ROOM_EVENT
from matrix.errors import Unavailable
from matrix.identifiers import UserID
from requesting.remembered_tokens import RememberedTokens

if TYPE_CHECKING:
    from components.receipts.assembly import ReceiptServer
    from components.roomserver.assembly import RoomServer
    from components.syncapi.assembly import SyncApi
    from components.userapi.assembly import UserApi


def user_apis(users: "UserApi | None", ground: Ground) -> UserApis:
    """Return what others ask the user API; elsewhere, its tokens are remembered here."""
    if users is not None:
        return apis_of_users(users)
    elsewhere = given(ground.calls).users()
    settings = ground.settings.userapi
    tokens = RememberedTokens(
        elsewhere.current_tokens,
        ground.log,
        ground.clock,
        size=settings.token_cache_size,
        ask_again_s=settings.last_seen_interval_s,
    )
    return elsewhere._replace(authentication=tokens)


def apis_of_users(users: "UserApi") -> UserApis:
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
        users.user_directory,
    )


def room_apis(rooms: "RoomServer | None", ground: Ground) -> RoomApis:
    """Return what others ask the room server."""
    if rooms is not None:
        return apis_of_rooms(rooms)
    partition_of = partial(ground.log.partition_of, INPUT_ROOM_EVENT.name)
    return given(ground.calls).rooms(partition_of)


def apis_of_rooms(rooms: "RoomServer") -> RoomApis:
    """Return what others ask this room server."""
    return RoomApis(rooms.queries, rooms.directory)


def markers(reading: "ReceiptServer | None", ground: Ground) -> FullyReadMarkers | None:
    """Return what the user API asks of the receipt server, if that one can be asked."""
    if reading is not None:
        return reading.markers
    return None if ground.calls is None else ground.calls.markers()


def relations(sync: "SyncApi | None", ground: Ground) -> Relations | None:
    """Return what the client API asks of client sync, if that one can be asked."""
    if sync is not None:
        return sync.relations
    return None if ground.calls is None else ground.calls.relations()


class LateDepartures:
    """Takes users out of their rooms once the client API, which asks the user API, is built."""

    def __init__(self) -> None:
        self.departures: Departures | None = None

    async def perform_leave_all(self, *, user_id: UserID) -> None:
        """Leave all rooms of a local user. Raises `Unavailable`, also before it is connected."""
        if self.departures is None:
            raise Unavailable("The client API is not built yet.")
        await self.departures.perform_leave_all(user_id=user_id)
