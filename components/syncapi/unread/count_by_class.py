"""Counting without reading events, where the predefined push rules are what is left.

The database counts by class and thread. What is added are the events that mention the reader or
the room: there the same class means something else.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from base.database import Connection
from components.syncapi.store.mentions import ROOM, Mention, Since, select_mentions
from components.syncapi.store.unread import Unread, select_changes_of_levels
from components.syncapi.store.unread_groups import TimelinePart, UnreadGroup, select_groups
from components.syncapi.unread.looking import MayNotify
from components.syncapi.unread_count import MAIN, Older, UnreadCount
from matrix.push_rules.classes import NAMES_USERS, QUIET, is_quiet, plain_class
from matrix.push_rules.in_room import RoomRules

_Threads = dict[str, Older]


class RoomToCount(NamedTuple):
    """A room that a user is joined to."""

    room_id: str
    rules: RoomRules
    joined_at: int
    member_event_id: str
    upto: int


class ByClass(NamedTuple):
    """For whom is counted, and what is asked meanwhile."""

    connection: Connection
    user_id: str
    may_notify: MayNotify


def count_by_class(
    reader: ByClass, rooms: Sequence[RoomToCount], unread_counts: Mapping[str, UnreadCount]
) -> set[str]:
    """Add to the unread counts what is unread; return the rooms that have something unread.

    Their rules are by class, and something notifies.
    """
    if not rooms:
        return set()
    by_sender = any(unread_counts[room.room_id].basis.ignored for room in rooms)
    groups = _unread_groups(reader, rooms, unread_counts, by_sender=by_sender)
    counted: dict[str, _Threads] = {}
    naming: dict[str, int] = {}
    for group, first, last in groups:
        unread_count = unread_counts[group.room_id]
        if group.push_class >= NAMES_USERS:
            naming[group.room_id] = min(first, naming.get(group.room_id, first))
        threads = counted.setdefault(group.room_id, {})
        older = threads.setdefault(group.thread_root or MAIN, Older(0, 0, first, last))
        older.first, older.last = min(older.first, first), max(older.last, last)
        if group.sender not in unread_count.basis.ignored:
            _add(older, unread_count.basis.rules, group.push_class, group.number)
    if naming:
        spans = [
            Since(room.room_id, naming[room.room_id] - 1, room.upto)
            for room in rooms
            if room.room_id in naming
        ]
        _add_mentions(reader, spans, counted, unread_counts)
    for room_id, threads in counted.items():
        for thread, older in threads.items():
            if older.total:
                unread_counts[room_id].add_older(thread, older)
    return set(counted)


def _unread_groups(
    reader: ByClass,
    rooms: Sequence[RoomToCount],
    unread_counts: Mapping[str, UnreadCount],
    *,
    by_sender: bool,
) -> list[tuple[UnreadGroup, int, int]]:
    """Return what others sent and the user has not read, with the first and last order of it."""
    found = select_groups(
        reader.connection,
        reader.user_id,
        main=[_part(room, unread_counts[room.room_id].read_upto(MAIN)) for room in rooms],
        threads=[_part(room, unread_counts[room.room_id].read_upto("")) for room in rooms],
        one_thread=(),
        by_sender=by_sender,
    )
    for group in found:
        # Who writes has read what was there: of the thread that they write in.
        if group.own is not None and not is_quiet(group.push_class):
            unread_counts[group.room_id].mark_read(group.thread_root or MAIN, group.own)
    whole: list[tuple[UnreadGroup, int, int]] = []
    begun: dict[tuple[str, str | None], None] = {}
    for group, first, last in _of_others(found):
        read_upto = unread_counts[group.room_id].read_upto(group.thread_root or MAIN)
        if first > read_upto:
            whole.append((group, first, last))
        elif last > read_upto:
            begun[group.room_id, group.thread_root] = None
    if not begun:
        return whole
    upto = {room.room_id: room for room in rooms}
    again = [
        _part(
            upto[room_id], unread_counts[room_id].read_upto(thread_root or MAIN), thread_root or ""
        )
        for room_id, thread_root in begun
    ]
    rest = select_groups(
        reader.connection,
        reader.user_id,
        main=[part for part in again if not part.thread_root],
        threads=(),
        one_thread=[part for part in again if part.thread_root],
        by_sender=by_sender,
    )
    whole = [one for one in whole if (one[0].room_id, one[0].thread_root) not in begun]
    return whole + list(_of_others(rest))


def _part(room: RoomToCount, after: int, thread_root: str = "") -> TimelinePart:
    return TimelinePart(room.room_id, after, room.upto, thread_root)


def _of_others(groups: Iterable[UnreadGroup]) -> Iterable[tuple[UnreadGroup, int, int]]:
    for group in groups:
        if group.push_class > QUIET and group.first is not None and group.last is not None:
            yield group, group.first, group.last


def _add(older: Older, rules: RoomRules, push_class: int, count: int) -> None:
    verdict = rules.plain_verdict(plain_class(push_class))
    if verdict is not None and verdict.notify:
        older.total += count
        older.highlights += count * verdict.highlight


def _add_mentions(
    reader: ByClass,
    spans: Sequence[Since],
    counted: Mapping[str, _Threads],
    unread_counts: Mapping[str, UnreadCount],
) -> None:
    """Let events count as what they are to those whom they mention."""
    found: dict[tuple[str, int], list[Mention]] = {}
    for mention in select_mentions(reader.connection, reader.user_id, spans):
        unread_count = unread_counts[mention.room_id]
        thread = mention.thread_root or MAIN
        if (
            mention.sender != reader.user_id
            and mention.sender not in unread_count.basis.ignored
            and not unread_count.is_read(thread, mention.order)
        ):
            found.setdefault((mention.room_id, mention.order), []).append(mention)
    rights = _Rights(reader, {span.room_id: span.after for span in spans})
    for mentions in found.values():
        one = mentions[0]
        rules = unread_counts[one.room_id].basis.rules
        named = {mention.user_id for mention in mentions}
        verdict = rules.mention_verdict(
            one.push_class,
            reader.user_id if reader.user_id in named else None,
            room=ROOM in named and rights.may_notify_room(one),
        )
        older = counted[one.room_id][one.thread_root or MAIN]
        _add(older, rules, one.push_class, -1)
        if verdict.notify:
            older.total += 1
            older.highlights += verdict.highlight


class _Rights:
    """Who may mention rooms: asked once for each sender and each change of power levels."""

    def __init__(self, reader: ByClass, after: Mapping[str, int]) -> None:
        self._reader: Final = reader
        self._after: Final = after
        self._changes: Final[dict[str, list[int]]] = {}
        self._known: Final[dict[tuple[str, str, int], bool]] = {}

    def may_notify_room(self, mention: Mention) -> bool:
        room_id = mention.room_id
        changes = self._changes.get(room_id)
        if changes is None:
            changes = self._changes[room_id] = select_changes_of_levels(
                self._reader.connection, room_id, self._after[room_id]
            )
        key = room_id, mention.sender, bisect_left(changes, mention.order)
        known = self._known.get(key)
        if known is None:
            event = Unread(
                room_id,
                mention.order,
                mention.event_id,
                mention.sender,
                mention.push_class,
                mention.thread_root,
                None,
            )
            known = self._known[key] = self._reader.may_notify(event, "room")
        return known
