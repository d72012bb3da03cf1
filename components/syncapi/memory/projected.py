"""What is projected so far, as this process knows it: positions, recent changes, who waits."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from cachetools import LRUCache, TTLCache

from base.database import Database
from components.syncapi.memory.cached_users import CachedUser, CachedUsers
from components.syncapi.memory.recent import RecentRoom, RecentRooms
from components.syncapi.memory.unread_counts import KnownUnreadCounts
from components.syncapi.memory.users import Users
from components.syncapi.memory.waiting import LongPolls
from components.syncapi.position import ROOMS, SyncPosition
from components.syncapi.room_summary import Summary
from components.syncapi.settings import SyncApiSettings
from components.syncapi.tokens import SyncTokens
from logs.following.progress import TopicProgress

_MOST_SIGNED_OUT: Final = 10_000
_SIGNED_OUT_S: Final = 10.0
_TURN_S: Final = 0.5
"""How long a user is without being woken, where memory is short."""


class Projected:
    """The memory that streams share; it follows the projection, commit by commit.

    All of it is on the event loop. The database is never behind it, but may be ahead: of what
    other processes commit, memory learns a little later. Whoever takes `position` and reads memory
    without awaiting in between gets what belongs together.
    """

    def __init__(
        self,
        start: SyncPosition,
        *,
        tokens: SyncTokens,
        database: Database,
        settings: SyncApiSettings,
        partition_of: Callable[[str], int],
    ) -> None:
        self.progress: Final = tuple(map(TopicProgress, start))
        """How far each stream is, in the order of their list."""
        self.recent: Final = RecentRooms(list(start[ROOMS]), settings.recent_events_bytes)
        self.polls: Final = LongPolls(settings.max_long_polls, settings.max_long_polls_per_user)
        self.cached_users: Final = CachedUsers(settings.cached_memberships, self._dropped)
        self.users: Final = Users(database, self.cached_users, partition_of)
        self.unread_counts: Final = KnownUnreadCounts(settings.cached_unread_counts)
        self.summaries: Final[LRUCache[str, Summary]] = LRUCache(settings.cached_summaries)
        self.signed_out: Final[TTLCache[str, bool]] = TTLCache(_MOST_SIGNED_OUT, _SIGNED_OUT_S)
        """Users who were signed out somewhere a moment ago: their tokens are asked for again."""
        self._tokens: Final = tokens
        self._partition_of: Final = partition_of
        self._looking: Final[dict[str, Counter[str]]] = {}
        """By room who looks into it, how many times."""
        self._position = start
        self._token: str | None = None

    @property
    def position(self) -> SyncPosition:
        """How far all streams are projected and in memory."""
        position = tuple([stream.next_offsets for stream in self.progress])
        if position != self._position:
            self._position = position
            self._token = None
        return self._position

    @property
    def token(self) -> str:
        """The token of `position`, made when somebody asks for it."""
        position = self.position
        if self._token is None:
            self._token = self._tokens.encode(position)
        return self._token

    async def user(self, user_id: str) -> CachedUser:
        """Return what is known of a user, from the database where they are not in memory."""
        known = self.cached_users.get(user_id)
        if known is not None:
            return known
        return await self.users.load(user_id, self.progress[ROOMS].next_offsets)

    def recent_room(self, room_id: str) -> RecentRoom | None:
        """Return the newest events of a room; None where nothing recent is."""
        return self.recent.get(self._partition_of(room_id), room_id)

    def _dropped(self, user_id: str) -> None:
        """Let the polls of a user who made room for others look again, and bring them back.

        Nothing else wakes them. Not at once: where more users wait than there is room for, they
        take turns, and that may not be all that the process does.
        """
        if user_id in self.polls.users:
            loop = asyncio.get_running_loop()
            loop.call_later(_TURN_S, self.polls.wake, [user_id])

    @contextmanager
    def looking(self, user_id: str, room_id: str) -> Iterator[None]:
        """Let what comes in a room wake a user who looks into it without being a member."""
        users = self._looking.setdefault(room_id, Counter())
        users[user_id] += 1
        try:
            yield
        finally:
            users[user_id] -= 1
            if not users[user_id]:
                del users[user_id]
            if not users:
                del self._looking[room_id]

    def wake(self, room_ids: Collection[str], user_ids: Iterable[str]) -> None:
        """Wake who waits in these rooms, and these users."""
        woken = set(user_ids)
        if self._looking:
            woken.update(*[self._looking.get(room_id, ()) for room_id in room_ids])
        waiting = self.polls.users
        for room_id in room_ids:
            woken.update(self.cached_users.waiting_for(room_id, waiting))
        self.polls.wake(woken)
