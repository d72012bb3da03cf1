"""Where state resolution gets its events from."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Protocol

from matrix.events import Event
from matrix.identifiers import EventID

CITED_TYPES: Final = frozenset(
    {
        "m.room.create",
        "m.room.join_rules",
        "m.room.member",
        "m.room.power_levels",
        "m.room.third_party_invite",
    }
)
"""Types of the events that others may name as their auth events, and that checks read."""

_ALONE: Final = 8
"""So many times only what is wanted is asked for: mostly that is all."""
_MOST_AHEAD: Final = 1024


class EventSource(Protocol):
    """The events of a room, as its keeper knows them."""

    def events(self, event_ids: Collection[EventID], ahead: int) -> Mapping[EventID, Event]:
        """Return those of these events that are known, rejected ones included.

        Called with many at once, and within one resolution never twice for the same event. Where
        auth chains are long, each of their events is known only by the one before it: then
        `ahead` says how many further events of the auth chains may come along, the nearest first.
        """

    def is_rejected(self, event_id: EventID) -> bool:
        """Whether this event, which `events` has returned, was rejected."""


class LoadedEvents:
    """The events that one resolution has loaded so far; each is asked for once.

    Who asks often walks down a long auth chain, and gets more of it each time: some tens of
    look-ups for tens of thousands of events.
    """

    __slots__ = ("_asked", "_events", "_lookups", "_source")

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._asked: set[EventID] = set()
        self._events: dict[EventID, Event] = {}
        self._lookups = 0

    def load(self, event_ids: Iterable[EventID]) -> None:
        """Fetch those of these events that were not asked for yet, all at once."""
        wanted = set(event_ids) - self._asked
        if wanted:
            self._lookups += 1
            further = self._lookups - _ALONE
            ahead = min(1 << further, _MOST_AHEAD) if further > 0 else 0
            found = self._source.events(wanted, ahead)
            self._asked |= wanted
            self._asked |= found.keys()
            self._events.update(found)

    def get(self, event_id: EventID) -> Event | None:
        """Return an event that was loaded, or `None` if the source does not know it."""
        return self._events.get(event_id)

    def known(self, event_ids: Iterable[EventID]) -> list[Event]:
        """Return those of these events that were loaded and are known, in this order."""
        found = (self._events.get(event_id) for event_id in event_ids)
        return [event for event in found if event is not None]

    def accepted(self, event_ids: Iterable[EventID]) -> list[Event]:
        """Return those of `known` that were not rejected."""
        is_rejected = self._source.is_rejected
        return [event for event in self.known(event_ids) if not is_rejected(event.event_id)]
