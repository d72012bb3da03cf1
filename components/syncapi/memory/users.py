"""The users who sync, from the database where they are not in memory."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from base.database import Connection, Database
from components.syncapi.changes import MembershipChange
from components.syncapi.memory.cached_users import CachedUser, CachedUsers
from components.syncapi.position import Offsets
from components.syncapi.store.account_data import (
    select_ignored_users,
    select_newest_account_data_order,
)
from components.syncapi.store.membership import select_rooms_of_user_before


class _Loading:
    """A user who is being read from the database, and what memory learned of them meanwhile."""

    __slots__ = ("account_data_order", "ignored", "missed", "requests")

    def __init__(self) -> None:
        self.missed: Final[list[MembershipChange]] = []
        self.account_data_order = -1
        self.ignored: AbstractSet[str] | None = None
        self.requests = 0


class Users:
    """Loads users once, and lets streams change what is known of those who are here."""

    def __init__(
        self, database: Database, cached: CachedUsers, partition_of: Callable[[str], int]
    ) -> None:
        self.cached: Final = cached
        self._database: Final = database
        self._partition_of: Final = partition_of
        self._loading: Final[dict[str, _Loading]] = {}

    async def load(self, user_id: str, rooms_upto: Offsets) -> CachedUser:
        """Return a user who was not in memory when it knew the rooms so far."""
        loading = self._loading.setdefault(user_id, _Loading())
        loading.requests += 1
        try:
            read = partial(
                _read_user, user_id=user_id, upto=rooms_upto, partition_of=self._partition_of
            )
            loaded = await self._database.read(read, heavy_for=user_id, begins_light=True)
            known = self.cached.get(user_id)
            if known is not None:  # another request was faster
                return known
            self.cached.remember(user_id, loaded)
            # What was learned while the database was read is missing in what it said.
            for change in loading.missed:
                self.cached.move(change)
            loaded.account_data_order = max(loaded.account_data_order, loading.account_data_order)
            if loading.ignored is not None:
                loaded.ignored = loading.ignored
        finally:
            loading.requests -= 1
            if not loading.requests:
                del self._loading[user_id]
        return loaded

    def move(self, change: MembershipChange) -> None:
        """Apply a change of membership."""
        self.cached.move(change)
        loading = self._loading.get(change.user_id)
        if loading is not None:
            loading.missed.append(change)

    def note_account_data(self, user_id: str, order: int) -> None:
        """Note when a user's account data changed last."""
        if user_id in self.cached:
            user = self.cached.peek(user_id)
            user.account_data_order = max(user.account_data_order, order)
        loading = self._loading.get(user_id)
        if loading is not None:
            loading.account_data_order = order

    def ignore(self, user_id: str, ignored: AbstractSet[str]) -> None:
        """Note whom a user ignores from now on."""
        if user_id in self.cached:
            self.cached.peek(user_id).ignored = ignored
        loading = self._loading.get(user_id)
        if loading is not None:
            loading.ignored = ignored


def _read_user(
    connection: Connection, *, user_id: str, upto: Offsets, partition_of: Callable[[str], int]
) -> CachedUser:
    return CachedUser(
        select_rooms_of_user_before(
            connection, user_id, lambda room_id: upto[partition_of(room_id)]
        ),
        select_newest_account_data_order(connection, user_id),
        select_ignored_users(connection, user_id),
    )
