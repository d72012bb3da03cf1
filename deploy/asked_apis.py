"""What components ask of each other, wherever the other one runs."""

from typing import NamedTuple

from internalapi.roomserver import RoomDirectory, RoomQueries
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


class UserApis(NamedTuple):
    """What others ask the user API."""

    authentication: Authentication
    current_tokens: CurrentTokens
    accounts: Accounts
    profiles: Profiles
    filters: Filters
    account_data: AccountData
    reports: Reports
    replaced_rooms: ReplacedRooms
    user_directory: UserDirectory


class RoomApis(NamedTuple):
    """What others ask the room server."""

    queries: RoomQueries
    directory: RoomDirectory
