"""Counts a user's unread notifications when they sync, mostly from memory.

Nobody pays for a user who does not sync. What is counted depends on the room's events, the user's
receipts, push rules, ignored users and member event, and on nothing else: every process counts
alike, and a change of one of them is what makes it count anew.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple

from cachetools import LRUCache

from base.database import Database
from base.slices import Slices
from components.syncapi.changes import Membership
from components.syncapi.ignoring import IGNORED_USER_LIST
from components.syncapi.memory.recent import RecentRooms
from components.syncapi.memory.unread_counts import KnownUnreadCounts
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.unread import select_content
from components.syncapi.unread.count_by_class import RoomToCount
from components.syncapi.unread.first_count import CountedRooms, count_rooms
from components.syncapi.unread.looking import Seen, look_at, push_event
from components.syncapi.unread.user_rules import PUSH_RULES, KnownRules, UserRules
from components.syncapi.unread_count import UnreadCount
from matrix.push_rules.in_room import RoomRules
from matrix.push_rules.properties import PushEvent

COUNTED_BY: Final = frozenset({PUSH_RULES, IGNORED_USER_LIST})
"""Account data with which all rooms may have other counts."""
_PARSED_BYTES: Final = 8 * 1024 * 1024
_MOST_ANSWERS: Final = 10_000
_PARSED_OVERHEAD: Final = 1500
_PARSED_PER_BYTE: Final = 6
_GROWTH: Final = 64
"""By how much an unread count grows before its size in memory is looked at again."""
_HEAVY_ROOMS: Final = 10
_MOST_WORK: Final = 1_000_000
"""What rules that look into events may cost on the event loop, as `PushRule.work` counts it."""
_MOST_QUESTIONS: Final = 5000
"""Conditions about rooms that are asked on the event loop: many rules for many rooms are many."""
_TEXT_OF_A_RULE: Final = 256
"""Bytes of an event that cost a rule as much as to be asked at all."""


class UnreadReader(NamedTuple):
    """For whom is counted, and as of when."""

    user_id: str
    memberships: Mapping[str, Membership]
    ignored: AbstractSet[str]
    upto: tuple[int, ...]
    """The position in OutputRoomEvent."""
    account_data_order: int
    """Of their last change."""


class Counts(NamedTuple):
    """The unread counts of rooms as far as they are asked for."""

    unread_counts: Mapping[str, UnreadCount]
    unread: AbstractSet[str]
    """Rooms that had to be counted anew and have something unread, whether it notifies or not."""


class _Parsed(NamedTuple):
    event: PushEvent
    size: int
    """About how many bytes it takes."""


class _Unknown(Exception):
    """What is in memory does not tell."""


class _Looks:
    """What looks into events have cost one answer on the event loop."""

    def __init__(self) -> None:
        self._work = 0

    def count(self, rules: RoomRules, event: RoomEvent) -> None:
        """Add a look into an event. Raises `_Unknown` where it has to be looked at elsewhere."""
        self._work += rules.work * (1 + len(event.json) // _TEXT_OF_A_RULE)
        if self._work > _MOST_WORK:
            raise _Unknown


def _parsed(event: Seen) -> _Parsed:
    size = _PARSED_OVERHEAD + _PARSED_PER_BYTE * len(event.json or b"")
    return _Parsed(push_event(event), size)


class UnreadCounts:
    """Keeps unread counts up with what memory knows, and counts anew where that is not enough."""

    def __init__(
        self,
        *,
        database: Database,
        unread_counts: KnownUnreadCounts,
        recent: RecentRooms,
        room_partition: Callable[[str], int],
        most_users: int,
        window: int,
        slices: Slices,
    ) -> None:
        self._slices: Final = slices
        self._database: Final = database
        self._unread_counts: Final = unread_counts
        self._recent: Final = recent
        self._partition: Final = room_partition
        self._window: Final = window
        self._rules: Final = KnownRules(most_users)
        self._parsed: Final[LRUCache[str, _Parsed]] = LRUCache(_PARSED_BYTES, attrgetter("size"))
        self._joined: Final[LRUCache[str, tuple[int, int]]] = LRUCache(_MOST_ANSWERS)
        """How many members rooms have, as of some order."""
        self._may_notify: Final[LRUCache[tuple[str, str], bool]] = LRUCache(_MOST_ANSWERS)

    async def count(self, reader: UnreadReader, room_ids: Collection[str]) -> Counts:
        """Return the unread counts of rooms that the user is joined to."""
        unread_counts: dict[str, UnreadCount] = {}
        anew: list[RoomToCount] = []
        rules = await self._rules_of(reader)
        if rules.by_room.questions_about(room_ids) > _MOST_QUESTIONS:
            await asyncio.to_thread(rules.by_room.ask_about, list(room_ids))
        looks = _Looks()
        for room_id in room_ids:
            await self._slices.next()
            try:
                unread_counts[room_id] = self._brought_up(reader, rules, room_id, looks)
            except _Unknown:
                anew.append(self._to_count(reader, rules, room_id))
        if not anew:
            return Counts(unread_counts, frozenset())
        return await self._count_anew(reader, unread_counts, anew)

    async def _rules_of(self, reader: UnreadReader) -> UserRules:
        known = self._rules.get(reader.user_id, reader.account_data_order)
        if known is not None:
            return known
        content = await self._database.read(
            partial(select_content, user_id=reader.user_id, kind=PUSH_RULES)
        )
        return self._rules.learn(reader.user_id, reader.account_data_order, content)

    def _brought_up(
        self, reader: UnreadReader, rules: UserRules, room_id: str, looks: "_Looks"
    ) -> UnreadCount:
        """Return an unread count with all events of memory. Raises `_Unknown`."""
        unread_count = self._unread_counts.get(reader.user_id, room_id)
        if unread_count is None:
            raise _Unknown
        partition = self._partition(room_id)
        basis, now = unread_count.basis, reader.memberships[room_id]
        if (
            basis.rules is not self._room_rules(rules, room_id)
            or basis.joined_at != now.stream_order
            or basis.member_event_id != now.event_id
            or basis.ignored != reader.ignored
            or unread_count.is_void
            or not self._recent.covers(partition, unread_count.upto)
        ):
            raise _Unknown
        room = self._recent.get(partition, room_id)
        if room is not None:
            if room.rewritten >= unread_count.upto:
                raise _Unknown
            before = len(unread_count)
            for event in room.since(unread_count.upto):
                if event.order >= reader.upto[partition]:
                    break
                if not unread_count.basis.rules.is_by_class:
                    looks.count(unread_count.basis.rules, event)
                changes = unread_count.changes
                look_at(
                    unread_count,
                    reader.user_id,
                    event,
                    parse=self._parse,
                    may_notify=self._known_answer,
                )
                unread_count.upto = event.order + 1
                if unread_count.changes != changes:
                    unread_count.changed_at = event.order
            if len(unread_count) // _GROWTH != before // _GROWTH:
                self._unread_counts.put(reader.user_id, room_id, unread_count)
        unread_count.upto = max(unread_count.upto, reader.upto[partition])
        return unread_count

    def _parse(self, event: Seen) -> PushEvent:
        known = self._parsed.get(event.event_id)
        if known is None:
            known = self._parsed[event.event_id] = _parsed(event)
        return known.event

    def _known_answer(self, event: Seen, kind: str) -> bool:
        known = self._may_notify.get((event.event_id, kind))
        if known is None:
            raise _Unknown
        return known

    def _room_rules(self, rules: UserRules, room_id: str) -> RoomRules | None:
        """Return what holds in a room; None where it is not known how many members it has."""
        found = rules.by_room.of(room_id)
        if not found.needs_member_count:
            return found
        joined = self._joined.get(room_id)
        if joined is None:
            return None
        count, upto = joined
        partition = self._partition(room_id)
        room = self._recent.get(partition, room_id)
        if not self._recent.covers(partition, upto) or (
            room is not None and room.summary_changed >= upto
        ):
            return None
        return found.with_member_count(count)

    def _to_count(self, reader: UnreadReader, rules: UserRules, room_id: str) -> RoomToCount:
        now = reader.memberships[room_id]
        return RoomToCount(
            room_id,
            rules.by_room.of(room_id),
            now.stream_order,
            now.event_id,
            reader.upto[self._partition(room_id)],
        )

    async def _count_anew(
        self, reader: UnreadReader, unread_counts: dict[str, UnreadCount], anew: list[RoomToCount]
    ) -> Counts:
        reading = self._unread_counts.begin(reader.user_id)
        try:
            read = partial(
                count_rooms,
                user_id=reader.user_id,
                ignored=reader.ignored,
                rooms=anew,
                window=self._window,
            )
            is_heavy = len(anew) >= _HEAVY_ROOMS or any(not room.rules.is_by_class for room in anew)
            counted: CountedRooms = await self._database.read(
                read, heavy_for=reader.user_id if is_heavy else None
            )
        finally:
            self._unread_counts.end(reading)
        self._may_notify.update(counted.may_notify)
        for room in anew:
            if room.room_id in counted.joined:
                self._joined[room.room_id] = counted.joined[room.room_id], room.upto
        for room_id, unread_count in counted.unread_counts.items():
            unread_counts[room_id] = unread_count
            # What a receipt changed meanwhile may be missing.
            if room_id not in counted.unsettled and room_id not in reading.moved:
                self._unread_counts.put(reader.user_id, room_id, unread_count)
        return Counts(unread_counts, counted.unread)
