"""What is projected so far, as this process knows it: positions, recent changes, who waits."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import partial
from typing import Final

from cachetools import LRUCache, TTLCache

from base.database import Connection, Database
from components.syncapi.changes import ClientDataNews, MembershipChange, RoomNews
from components.syncapi.memory.receipts import RecentReceipts
from components.syncapi.memory.recent import CachedUser, CachedUsers, RecentRoom, RecentRooms
from components.syncapi.memory.typing_rooms import TypingList, TypingRooms
from components.syncapi.memory.unread_counts import KnownUnreadCounts
from components.syncapi.memory.waiting import LongPolls
from components.syncapi.position import SyncPosition
from components.syncapi.receipt import PUBLIC, Receipt
from components.syncapi.room_event import CHANGES_OTHERS
from components.syncapi.room_summary import Summary
from components.syncapi.settings import SyncApiSettings
from components.syncapi.store.account_data import (
    select_ignored_users,
    select_newest_account_data_order,
)
from components.syncapi.store.membership import select_rooms_of_user_before
from components.syncapi.store.state import NAMING
from components.syncapi.tokens import SyncTokens
from logs.following.progress import TopicProgress

_MOST_SIGNED_OUT: Final = 10_000
_SIGNED_OUT_S: Final = 10.0
_TURN_S: Final = 0.5
"""How long a user is without being woken, where memory is short."""


class _Loading:
    """A user who is being read from the database, and what memory learned of them meanwhile."""

    __slots__ = ("ignored", "missed", "requests")

    def __init__(self) -> None:
        self.missed: Final[list[MembershipChange]] = []
        self.ignored: AbstractSet[str] | None = None
        self.requests = 0


class Projected:
    """The memory that follows the projection, commit by commit; all of it on the event loop.

    The database is never behind it, but may be ahead: of what other processes commit, memory
    learns a little later. Whoever takes `position` and reads memory without awaiting in between
    gets what belongs together.
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
        self.rooms: Final = TopicProgress(start.rooms)
        self.client_data: Final = TopicProgress(start.client_data)
        self.recent: Final = RecentRooms(list(start.rooms), settings.recent_events_bytes)
        self.receipts: Final = TopicProgress(start.receipts)
        self.typing: Final = TopicProgress(start.typing)
        self.recent_receipts: Final = RecentReceipts(list(start.receipts), settings.recent_receipts)
        self.typing_rooms: Final = TypingRooms(len(start.typing), settings.recent_typing_rooms)
        self.polls: Final = LongPolls(settings.max_long_polls, settings.max_long_polls_per_user)
        self.users: Final = CachedUsers(settings.cached_memberships, self._dropped)
        self.unread_counts: Final = KnownUnreadCounts(settings.cached_unread_counts)
        self.summaries: Final[LRUCache[str, Summary]] = LRUCache(settings.cached_summaries)
        self.signed_out: Final[TTLCache[str, bool]] = TTLCache(_MOST_SIGNED_OUT, _SIGNED_OUT_S)
        """Users who were signed out somewhere a moment ago: their tokens are asked for again."""
        self._database: Final = database
        self._tokens: Final = tokens
        self._partition_of: Final = partition_of
        self._loading: Final[dict[str, _Loading]] = {}
        self._looking: Final[dict[str, Counter[str]]] = {}
        """By room who looks into it, how many times."""
        self._position = start
        self._token: str | None = None

    @property
    def position(self) -> SyncPosition:
        """How far all topics are projected and in memory."""
        rooms, client_data = self.rooms.next_offsets, self.client_data.next_offsets
        receipts, typing = self.receipts.next_offsets, self.typing.next_offsets
        known = self._position
        if (
            rooms is not known.rooms
            or client_data is not known.client_data
            or receipts is not known.receipts
            or typing is not known.typing
        ):
            self._position = SyncPosition(rooms, client_data, receipts, typing)
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
        """Return the user's memberships, from the database where they are not in memory."""
        cached = self.users.get(user_id)
        if cached is not None:
            return cached
        loading = self._loading.setdefault(user_id, _Loading())
        loading.requests += 1
        try:
            before = self.position
            loaded = await self._database.read(
                partial(
                    _load_user,
                    user_id=user_id,
                    upto=before.rooms,
                    partition_of=self._partition_of,
                ),
                heavy_for=user_id,
                begins_light=True,
            )
            known = self.users.get(user_id)
            if known is not None:  # another request was faster
                return known
            if self.position is not before:
                # Account data may have changed meanwhile: the next look goes to the database.
                loaded.account_data_order = max(self.position.client_data)
            self.users.remember(user_id, loaded)
            # What was learned while the database was read is missing in what it said.
            for change in loading.missed:
                self.users.move(change)
            if loading.ignored is not None:
                loaded.ignored = loading.ignored
        finally:
            loading.requests -= 1
            if not loading.requests:
                del self._loading[user_id]
        return loaded

    def learn_rooms(self, partition: int, written: RoomNews) -> None:
        """Take in committed room records, and wake whoever they concern.

        They begin at or before what memory knows; what it knows is passed over.
        """
        known = self.rooms.at(partition)
        added = {event.order: event for event in written.events if event.order >= known}
        changes = [change for change in written.memberships if change.stream_order >= known]
        moved: dict[int, list[MembershipChange]] = {}
        for change in changes:
            moved.setdefault(change.stream_order, []).append(change)
        state_only = {order: room_id for room_id, order in written.state_only if order >= known}
        for order in sorted(added.keys() | moved.keys() | state_only.keys()):
            event = added.get(order)
            if event is not None:
                self.recent.add(partition, event)
                if event.type in NAMING or event.state_effect == CHANGES_OTHERS:
                    self._change_summary(partition, event.room_id, order)
            elif order in state_only:
                self.recent.change_state_outside(partition, state_only[order], order)
                self._change_summary(partition, state_only[order], order)
            for change in moved.get(order, ()):
                self._move(partition, change)
        woken = {change.user_id for change in changes}
        touched = {event.room_id for event in added.values()} | set(state_only.values())
        for event in written.rewritten:
            self.recent.rewrite(partition, event, written.next_offset - 1)
            touched.add(event.room_id)
            if event.type in NAMING:
                self._change_summary(partition, event.room_id, written.next_offset - 1)
        self.rooms.advance(partition, written.next_offset)
        self._wake(touched, woken)

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

    def _wake(self, room_ids: Collection[str], user_ids: Iterable[str]) -> None:
        """Wake who waits in these rooms, and these users."""
        woken = set(user_ids)
        if self._looking:
            woken.update(*[self._looking.get(room_id, ()) for room_id in room_ids])
        waiting = self.polls.users
        for room_id in room_ids:
            woken.update(self.users.waiting_for(room_id, waiting))
        self.polls.wake(woken)

    def _move(self, partition: int, change: MembershipChange) -> None:
        if change.is_moved:
            self._change_summary(partition, change.room_id, change.stream_order)
        else:
            self.recent.touch(partition, change.room_id, change.stream_order)
        self.users.move(change)
        loading = self._loading.get(change.user_id)
        if loading is not None:
            loading.missed.append(change)

    def _change_summary(self, partition: int, room_id: str, order: int) -> None:
        self.recent.touch(partition, room_id, order).summary_changed = order
        self.summaries.pop(room_id, None)

    def learn_client_data(self, partition: int, news: ClientDataNews) -> None:
        """Take in what was committed of users' data."""
        for user_id, order in news.newest.items():
            if user_id in self.users:
                user = self.users.peek(user_id)
                user.account_data_order = max(user.account_data_order, order)
        for user_id, ignored in news.ignored.items():
            if user_id in self.users:
                self.users.peek(user_id).ignored = ignored
            if user_id in self._loading:
                self._loading[user_id].ignored = ignored
        for user_id in news.signed_out:
            self.signed_out[user_id] = True
        self.client_data.advance(partition, news.next_offset)
        self.polls.wake(news.newest.keys() | news.signed_out)

    def learn_receipts(self, partition: int, receipts: Sequence[Receipt], next_offset: int) -> None:
        """Take in committed receipts; those that memory knows are passed over."""
        known = self.receipts.at(partition)
        rooms: set[str] = set()
        users: set[str] = set()
        for receipt in receipts:
            if receipt.stream_order < known:
                continue
            self.recent_receipts.add(partition, receipt)
            self.unread_counts.move_receipt(receipt, self._recent_room)
            if receipt.receipt_type == PUBLIC:
                rooms.add(receipt.room_id)
            else:
                users.add(receipt.user_id)
        self.receipts.advance(partition, next_offset)
        self._wake(rooms, users)

    def _recent_room(self, room_id: str) -> RecentRoom | None:
        return self.recent.get(self._partition_of(room_id), room_id)

    def learn_typing(self, partition: int, lists: Sequence[TypingList], next_offset: int) -> None:
        """Take in who types; lists that memory knows are passed over."""
        known = self.typing.at(partition)
        changed = {
            one.room_id
            for one in lists
            if one.stream_order >= known and self.typing_rooms.put(partition, one)
        }
        self.typing.advance(partition, next_offset)
        self._wake(changed, ())


def _load_user(
    connection: Connection,
    *,
    user_id: str,
    upto: tuple[int, ...],
    partition_of: Callable[[str], int],
) -> CachedUser:
    return CachedUser(
        select_rooms_of_user_before(
            connection, user_id, lambda room_id: upto[partition_of(room_id)]
        ),
        select_newest_account_data_order(connection, user_id),
        select_ignored_users(connection, user_id),
    )
