"""The part of a joined room in an incremental answer, made from memory alone.

Unread counts, account data and what is ephemeral come to it later.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from components.syncapi.changes import Membership
from components.syncapi.memory.recent import RecentRoom
from components.syncapi.room_event import NO_EFFECT, RoomEvent
from components.syncapi.room_summary import Summary, render_summary
from components.syncapi.streams.request import SyncRequest
from components.syncapi.timeline.matching import matches
from components.syncapi.timeline.rendering import render, render_for_all, select_fields
from components.syncapi.tokens import SyncTokens

_SHARED_MS: Final = 1000
"""How long readers may be given the same bytes: the events' age is in them."""
_EMPTY: Final = b""
_NOBODY: Final[AbstractSet[str]] = frozenset()


class NeedsDatabase(Exception):
    """The part needs what only the database knows."""


class FragmentMaker:
    """Makes the parts of rooms whose newest events are in memory."""

    def __init__(self, tokens: SyncTokens, summaries: Mapping[str, Summary]) -> None:
        self._tokens = tokens
        self._summaries = summaries

    def make(self, request: SyncRequest, room: RecentRoom, now: Membership, since: int) -> bytes:
        """Return the room's part; empty if there is nothing to tell. Raises `NeedsDatabase`."""
        if now.stream_order >= since or room.state_changed_outside >= since:
            raise NeedsDatabase
        events = room.since(since)
        if not events:
            return _EMPTY
        room_filter = request.filter.room
        if len(events) > room_filter.timeline.limit:
            raise NeedsDatabase
        is_lazy = room_filter.state.lazy_load_members
        if is_lazy:
            _require_members(request, room, events)
        if request.use_state_after and any(event.state_effect != NO_EFFECT for event in events):
            raise NeedsDatabase
        fragment = self._fragment(request, room, events)
        if room.summary_changed < since:
            return b"{%b}" % fragment if fragment else _EMPTY
        known = self._summaries.get(room.room_id)
        if known is None:
            raise NeedsDatabase
        if is_lazy:
            _require_heroes(request, room, events, known)
        summary = render_summary(known, request.user_id)
        return b"{%b,%b}" % (fragment, summary) if fragment else b"{%b}" % summary

    def _fragment(self, request: SyncRequest, room: RecentRoom, events: list[RoomEvent]) -> bytes:
        reader = request.reader
        event_filter = request.filter.room.timeline
        if (
            not event_filter.is_pass_all
            or request.filter.event_fields is not None
            or any(map(reader.sent, events))
            or (request.ignored and any(_is_ignored(request, event) for event in events))
        ):
            return self._own_fragment(request, events)
        first, last = events[0].order, events[-1].order
        shared = room.fragment
        if (
            shared is not None
            and shared[:3] == (first, last, request.state_name)
            and reader.now_ms - shared[3] < _SHARED_MS
        ):
            return shared[4]
        fragment = self._wrap(request, render_for_all(events, reader.now_ms), first)
        room.fragment = (first, last, request.state_name, reader.now_ms, fragment)
        return fragment

    def _own_fragment(self, request: SyncRequest, events: list[RoomEvent]) -> bytes:
        event_filter = request.filter.room.timeline
        kept = [
            event
            for event in events
            if matches(event_filter, event) and not _is_ignored(request, event)
        ]
        if len(kept) < len(events) and any(
            event.state_effect != NO_EFFECT for event in events if event not in kept
        ):
            # State that the timeline leaves out has to be told apart from it.
            raise NeedsDatabase
        if not kept:
            return _EMPTY
        rendered = b",".join(
            [
                select_fields(render(event, request.reader, membership="join"), request.filter)
                for event in kept
            ]
        )
        return self._wrap(request, rendered, kept[0].order)

    def _wrap(self, request: SyncRequest, events: bytes, first: int) -> bytes:
        return (
            b'"%b":{"events":[]},"timeline":{"events":[%b],"limited":false,"prev_batch":"%b"}'
            % (
                request.state_name.encode(),
                events,
                self._tokens.encode_place(first).encode(),
            )
        )


def _is_ignored(request: SyncRequest, event: RoomEvent) -> bool:
    return event.state_key is None and event.sender in request.ignored


def _require_heroes(
    request: SyncRequest, room: RecentRoom, events: list[RoomEvent], summary: Summary
) -> None:
    known = request.known_members.get(room.room_id, _NOBODY)
    shown = {event.state_key for event in events if event.type == "m.room.member"}
    if not all(hero in known or hero in shown for hero in summary.heroes(request.user_id)):
        raise NeedsDatabase


def _require_members(request: SyncRequest, room: RecentRoom, events: list[RoomEvent]) -> None:
    if request.filter.room.state.include_redundant_members:
        raise NeedsDatabase
    known = request.known_members.get(room.room_id, _NOBODY)
    shown = {event.state_key for event in events if event.type == "m.room.member"}
    if not all(event.sender in known or event.sender in shown for event in events):
        raise NeedsDatabase
