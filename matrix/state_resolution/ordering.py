"""The two orders of state resolution v2: by power along the auth DAG, and by the mainline."""

import heapq
import math
from collections.abc import Collection

from matrix.events import Event
from matrix.identifiers import EventID
from matrix.power_levels import PowerLevels, power_levels_of
from matrix.state_keys import CREATE, POWER_LEVELS
from matrix.state_resolution.source import LoadedEvents


def create_event_id(event: Event) -> EventID:
    """Return the ID of the create event that the room ID names (room version 12 on)."""
    return EventID("$" + event.room_id[1:])


def reverse_topological_power_order(
    event_ids: Collection[EventID], events: LoadedEvents
) -> list[Event]:
    """Return these events, each after those of them that it cites, the most powerful first.

    Among events that may come next, the one whose sender has the greater power level comes
    first, then the older one, then the one with the lower event ID. Loads the auth events of
    all these events, at once.
    """
    events.load(event_ids)
    vertices = {event.event_id: event for event in events.known(event_ids)}
    _load_auth_events(vertices.values(), events)
    cited_by: dict[EventID, list[EventID]] = {}
    open_citations: dict[EventID, int] = {}
    candidates = []
    for event_id, event in vertices.items():
        cited = {auth_id for auth_id in event.auth_event_ids if auth_id in vertices}
        for auth_id in cited:
            cited_by.setdefault(auth_id, []).append(event_id)
        open_citations[event_id] = len(cited)
        if not cited:
            candidates.append(_power_key(event, events))
    heapq.heapify(candidates)
    ordered = []
    while candidates:
        event_id = heapq.heappop(candidates)[2]
        ordered.append(vertices[event_id])
        for citing in cited_by.get(event_id, ()):
            open_citations[citing] -= 1
            if open_citations[citing] == 0:
                heapq.heappush(candidates, _power_key(vertices[citing], events))
    return ordered


def _load_auth_events(citing: Collection[Event], events: LoadedEvents) -> None:
    wanted = {auth_id for event in citing for auth_id in event.auth_event_ids}
    wanted.update(
        create_event_id(event) for event in citing if event.room_version.create_event_is_room_id
    )
    events.load(wanted)


def _power_key(event: Event, events: LoadedEvents) -> tuple[float, int, EventID]:
    return (-_power_of_sender(event, events), event.origin_server_ts, event.event_id)


def _power_of_sender(event: Event, events: LoadedEvents) -> float:
    """Return the sender's power level by the event's own auth events."""
    cited = {(each.type, each.state_key): each for each in events.known(event.auth_event_ids)}
    version = event.room_version
    create = (
        events.get(create_event_id(event)) if version.create_event_is_room_id else cited.get(CREATE)
    )
    power_levels = cited.get(POWER_LEVELS)
    if create is not None:
        return power_levels_of(power_levels, create).user(event.sender)
    content = None if power_levels is None else power_levels.content
    return PowerLevels.of(content, version, frozenset()).user(event.sender)


class Mainline:
    """The power levels event of a partly resolved state, and those it descends from.

    Followed only as far down as the positions that are asked for need it.
    """

    def __init__(self, power_levels_id: EventID | None, events: LoadedEvents) -> None:
        self._events = events
        self._mainline: dict[EventID, int] = {}
        self._next = power_levels_id
        self._elsewhere: dict[EventID, float] = {}
        if power_levels_id is not None:
            events.load((power_levels_id,))

    def order(self, event_ids: Collection[EventID]) -> list[Event]:
        """Return these events by mainline position, the oldest first, then by time, then by ID."""
        self._events.load(event_ids)
        ordered = self._events.known(event_ids)
        _load_auth_events(ordered, self._events)
        ordered.sort(
            key=lambda event: (-self._position(event), event.origin_server_ts, event.event_id)
        )
        return ordered

    def _position(self, event: Event) -> float:
        """Return how far down the mainline the event attaches to it, infinity if it does not."""
        passed: dict[EventID, float] = {}
        position = math.inf
        current = self._cited_power_levels(event)
        while current is not None and current not in passed:
            found = self._known_position(current)
            if found is not None:
                position = found
                break
            passed[current] = position
            holder = self._events.get(current)
            current = None if holder is None else self._cited_power_levels(holder)
        self._elsewhere.update(dict.fromkeys(passed, position))
        return position

    def _known_position(self, power_levels_id: EventID) -> float | None:
        """Return the index in the mainline, or the position of one that was passed before."""
        if power_levels_id in self._elsewhere:
            return self._elsewhere[power_levels_id]
        while power_levels_id not in self._mainline and self._next is not None:
            following = self._next
            self._mainline[following] = len(self._mainline)
            event = self._events.get(following)
            above = None if event is None else self._cited_power_levels(event)
            self._next = None if above in self._mainline else above
        return self._mainline.get(power_levels_id)

    def _cited_power_levels(self, event: Event) -> EventID | None:
        self._events.load(event.auth_event_ids)
        for cited in self._events.known(event.auth_event_ids):
            if (cited.type, cited.state_key) == POWER_LEVELS:
                return cited.event_id
        return None
