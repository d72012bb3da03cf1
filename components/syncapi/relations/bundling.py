"""What is bundled with events: aggregations of those that relate to them (client-server API).

Cost: one statement for all events of a page, and further ones only where some have children.
"""

from collections.abc import Collection, Mapping
from typing import Final

import orjson

from base.database import Connection
from components.syncapi.relations.thread_summaries import ThreadSummary, summarise_threads
from components.syncapi.room_event import RoomEvent, is_redacted
from components.syncapi.store.bundled import (
    Reference,
    RelationGroup,
    select_edits,
    select_groups,
    select_latest_edits,
    select_references,
)
from components.syncapi.store.events import select_events
from components.syncapi.timeline.erasure import with_erasures
from components.syncapi.timeline.rendering import Reader, content_of, render, room_id_member
from components.syncapi.timeline.visibility import Viewer
from matrix.relations import REFERENCE, REPLACE, THREAD, rel_type_of

_MOST_REFERENCES: Final = 100
"""References that are bundled with one event: the newest ones. The others are a page away."""
_MOST_EDITS: Final = 100
"""Edits that are looked at where the latest is hidden from a reader."""

NO_BUNDLES: Final[Mapping[str, bytes]] = {}


class Bundler:
    """Makes the bundles of events of one room for one reader, up to a place of the room."""

    def __init__(
        self, connection: Connection, room_id: str, reader: Reader, viewer: Viewer, upto: int
    ) -> None:
        self._connection = connection
        self._room_id = room_id
        self._reader = reader
        self._viewer = viewer
        self._upto = upto

    def bundles(self, events: Collection[RoomEvent]) -> Mapping[str, bytes]:
        """Return by event ID the member `m.relations`, for `render`, of those that have one.

        State events have none ("Aggregations of child events").
        """
        events = [event for event in events if event.state_key is None]
        groups = self._groups(events)
        if not groups:
            return NO_BUNDLES
        return self._render(events, groups, self._threads(events, groups))

    def threads(
        self, roots: Collection[RoomEvent]
    ) -> tuple[dict[str, ThreadSummary], Mapping[str, bytes]]:
        """Return the threads of those events that are the root of one, and their bundles."""
        groups = self._groups(roots)
        threads = self._threads(roots, groups)
        return threads, self._render(roots, groups, threads)

    def _groups(self, events: Collection[RoomEvent]) -> list[RelationGroup]:
        event_ids = [event.event_id for event in events]
        return select_groups(self._connection, self._room_id, event_ids)

    def _threads(
        self, events: Collection[RoomEvent], groups: Collection[RelationGroup]
    ) -> dict[str, ThreadSummary]:
        threads = {group.parent_id: group for group in groups if group.rel_type == THREAD}
        if not threads:
            return {}
        # A thread cannot begin at what relates to something itself ("Threading").
        rooted = [
            threads[event.event_id]
            for event in events
            if event.event_id in threads and rel_type_of(content_of(event)) is None
        ]
        return summarise_threads(self._connection, self._room_id, rooted, self._viewer, self._upto)

    def _render(
        self,
        events: Collection[RoomEvent],
        groups: Collection[RelationGroup],
        threads: Mapping[str, ThreadSummary],
    ) -> dict[str, bytes]:
        related: dict[str, set[str]] = {}
        for group in groups:
            related.setdefault(group.rel_type, set()).add(group.parent_id)
        by_id = {event.event_id: event for event in events}
        members: dict[str, list[bytes]] = {}
        for event_id, edit in self._edits(by_id, related.get(REPLACE, set())).items():
            members.setdefault(event_id, []).append(b'"m.replace":' + self._event(edit))
        for event_id, chunk in self._references(related.get(REFERENCE, set())).items():
            ids = [{"event_id": one} for one in chunk]
            members.setdefault(event_id, []).append(
                b'"m.reference":{"chunk":%b}' % orjson.dumps(ids)
            )
        for event_id, thread in self._rendered_threads(by_id, threads).items():
            members.setdefault(event_id, []).append(b'"m.thread":' + thread)
        return {
            event_id: b',"m.relations":{%b}' % b",".join(parts)
            for event_id, parts in members.items()
        }

    def _event(self, event: RoomEvent, relations: bytes = b"") -> bytes:
        return render(
            event,
            self._reader,
            membership=self._viewer.membership_after(event.order),
            room_id=room_id_member(self._room_id),
            relations=relations,
        )

    def _edits(
        self, events: Mapping[str, RoomEvent], edited: Collection[str]
    ) -> dict[str, RoomEvent]:
        """Return by event ID the latest valid edits ("Event replacements")."""
        originals = [events[event_id] for event_id in edited if _may_be_edited(events[event_id])]
        if not originals:
            return {}
        latest = select_latest_edits(
            self._connection, [event.event_id for event in originals], self._upto
        )
        found: dict[str, RoomEvent] = {}
        for original in originals:
            edit = latest.get(original.event_id)
            if edit is not None and not self._viewer.sees(edit):
                edit = self._latest_seen(original)
            if edit is not None:
                found[original.event_id] = edit
        # What is left of the edits of a user who was erased replaces nothing.
        shown = with_erasures(self._connection, self._room_id, list(found.values()), self._viewer)
        return {
            event_id: edit
            for (event_id, edit), seen in zip(found.items(), shown, strict=True)
            if seen is edit
        }

    def _latest_seen(self, original: RoomEvent) -> RoomEvent | None:
        edits = select_edits(self._connection, original, self._upto, _MOST_EDITS)
        return next((edit for edit in edits if self._viewer.sees(edit)), None)

    def _references(self, referred: Collection[str]) -> dict[str, list[str]]:
        """Return by event ID the IDs of those that refer to it, oldest first."""
        if not referred:
            return {}
        references = [
            one
            for one in select_references(
                self._connection, self._room_id, referred, self._upto, _MOST_REFERENCES
            )
            if one.sender not in self._viewer.ignored
        ]
        hidden = self._hidden(references)
        found: dict[str, list[str]] = {}
        for one in references:
            if one.event_id not in hidden:
                found.setdefault(one.parent_id, []).append(one.event_id)
        return found

    def _hidden(self, references: Collection[Reference]) -> set[str]:
        """Return those of the events that the viewer does not see."""
        unsure = [
            one.event_id
            for one in references
            if not self._viewer.sees_all_from(one.stream_order, is_restricted=one.is_restricted)
        ]
        events = select_events(self._connection, unsure)
        return {event_id for event_id, event in events.items() if not self._viewer.sees(event)}

    def _rendered_threads(
        self, events: Mapping[str, RoomEvent], threads: Mapping[str, ThreadSummary]
    ) -> dict[str, bytes]:
        if not threads:
            return {}
        latest = with_erasures(
            self._connection,
            self._room_id,
            [thread.latest for thread in threads.values()],
            self._viewer,
        )
        # What relates to the last event is bundled with it; a thread cannot, so this ends.
        plain = [event for event in latest if event.state_key is None]
        groups = self._groups(plain)
        bundles = self._render(plain, groups, {}) if groups else NO_BUNDLES
        return {
            root_id: b'{"latest_event":%b,"count":%d,"current_user_participated":%b}'
            % (
                self._event(event, bundles.get(event.event_id, b"")),
                thread.children,
                b"true" if self._participated(events[root_id], thread) else b"false",
            )
            for (root_id, thread), event in zip(threads.items(), latest, strict=True)
        }

    def _participated(self, root: RoomEvent, thread: ThreadSummary) -> bool:
        return thread.participated or root.sender == self._viewer.user_id


def _may_be_edited(event: RoomEvent) -> bool:
    return (
        event.state_key is None
        and not is_redacted(event)
        and rel_type_of(content_of(event)) != REPLACE
    )
