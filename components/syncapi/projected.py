"""What is projected so far, as this process knows it: positions, recent changes, who waits."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from cachetools import LRUCache

from base.database import Database
from components.syncapi.changes import MembershipChange
from components.syncapi.memory import CachedUser, CachedUsers, RecentRooms
from components.syncapi.position import SyncPosition
from components.syncapi.settings import SyncApiSettings
from components.syncapi.store.account_data import select_newest_account_data_order
from components.syncapi.store.membership import select_rooms_of_user
from components.syncapi.store.tables import Connection
from components.syncapi.summary import Summary
from components.syncapi.tokens import Tokens
from components.syncapi.waiting import LongPolls, Progress
from components.syncapi.writing import Written


class Projected:
    """The memory that follows the projection, commit by commit; all of it on the event loop.

    The database is never behind it. Whoever takes `position` and reads memory without awaiting
    in between gets what belongs together.
    """

    def __init__(
        self, start: SyncPosition, tokens: Tokens, database: Database, settings: SyncApiSettings
    ) -> None:
        self.rooms: Final = Progress(list(start.rooms))
        self.client_data: Final = Progress(list(start.client_data))
        self.recent: Final = RecentRooms(list(start.rooms), settings.recent_events_bytes)
        self.polls: Final = LongPolls(settings.max_long_polls, settings.max_long_polls_per_user)
        # Nothing wakes a user who is not in memory: their polls look again, and bring them back.
        self.users: Final = CachedUsers(
            settings.cached_memberships, lambda user_id: self.polls.wake([user_id])
        )
        self.summaries: Final[LRUCache[str, Summary]] = LRUCache(settings.cached_summaries)
        self._database: Final = database
        self._tokens: Final = tokens
        self._loading: Final[dict[str, list[MembershipChange]]] = {}
        self._position = start
        self._token: str | None = None

    @property
    def position(self) -> SyncPosition:
        """How far both topics are projected."""
        return self._position

    @property
    def token(self) -> str:
        """The token of `position`, made when somebody asks for it."""
        if self._token is None:
            self._token = self._tokens.encode(self._position)
        return self._token

    async def user(self, user_id: str) -> CachedUser:
        """Return the user's memberships, from the database where they are not in memory."""
        cached = self.users.get(user_id)
        if cached is not None:
            return cached
        missed: list[MembershipChange] = self._loading.setdefault(user_id, [])
        try:
            before = self._position
            loaded = await self._database.read(partial(_load_user, user_id=user_id))
            if self._position is not before:
                # Account data may have changed meanwhile: the next look goes to the database.
                loaded.account_data_order = max(self._position.client_data)
            known = self.users.get(user_id)
            if known is not None:  # another request was faster
                return known
            self.users.remember(user_id, loaded)
            # What was committed while the database was read may be missing in what it said.
            for change in missed:
                self.users.move(change)
        finally:
            if self._loading.get(user_id) is missed:
                del self._loading[user_id]
        return loaded

    def learn_rooms(self, partition: int, written: Written) -> None:
        """Take in a committed batch of room records, and wake whoever it concerns."""
        added = {addition.event.order: addition.event for addition in written.additions}
        moved: dict[int, list[MembershipChange]] = {}
        for change in written.memberships:
            moved.setdefault(change.stream_order, []).append(change)
        for order in sorted(added.keys() | moved.keys()):
            event = added.get(order)
            if event is not None:
                self.recent.add(partition, event)
            for change in moved.get(order, ()):
                self._move(partition, change)
        woken = {change.user_id for change in written.memberships}
        touched = {event.room_id for event in added.values()}
        for event in written.rewritten:
            self.recent.rewrite(partition, event)
        for next_partition, next_offset in written.next_offsets.items():
            self.rooms.advance(next_partition, next_offset)
        self._advance()
        waiting = self.polls.users
        for room_id in touched:
            joined = self.users.joined(room_id)
            # The shorter is gone through: a big room with few who wait, or the other way round.
            if len(joined) <= len(waiting):
                woken.update(user_id for user_id in joined if user_id in waiting)
            else:
                woken.update(user_id for user_id in waiting if user_id in joined)
        self.polls.wake(woken)

    def _move(self, partition: int, change: MembershipChange) -> None:
        room = self.recent.touch(partition, change.room_id, change.stream_order)
        room.members_changed = change.stream_order
        self.summaries.pop(change.room_id, None)
        self.users.move(change)
        missed = self._loading.get(change.user_id)
        if missed is not None:
            missed.append(change)

    def learn_client_data(self, newest: Mapping[str, int], next_offsets: Mapping[int, int]) -> None:
        """Take in committed account data: by user the order of the last change."""
        for user_id, order in newest.items():
            if user_id in self.users:
                self.users.peek(user_id).account_data_order = order
        for partition, next_offset in next_offsets.items():
            self.client_data.advance(partition, next_offset)
        self._advance()
        self.polls.wake(newest.keys())

    def _advance(self) -> None:
        self._position = SyncPosition(self.rooms.next_offsets, self.client_data.next_offsets)
        self._token = None


def _load_user(connection: Connection, *, user_id: str) -> CachedUser:
    return CachedUser(
        select_rooms_of_user(connection, user_id),
        select_newest_account_data_order(connection, user_id),
    )
