"""Where state resolution gets its events from."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from matrix.events import Event
from matrix.identifiers import EventID


class EventSource(Protocol):
    """The events of a room, as its keeper knows them."""

    def events(self, event_ids: Collection[EventID]) -> Mapping[EventID, Event]:
        """Return those of these events that are known, rejected ones included.

        Called with many at once, and within one resolution never twice for the same event.
        """

    def is_rejected(self, event_id: EventID) -> bool:
        """Whether this event, which `events` has returned, was rejected."""


class LoadedEvents:
    """The events that one resolution has loaded so far; each is asked for once."""

    __slots__ = ("_asked", "_events", "_source")

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._asked: set[EventID] = set()
        self._events: dict[EventID, Event] = {}

    def load(self, event_ids: Iterable[EventID]) -> None:
        """Fetch those of these events that were not asked for yet, all at once."""
        wanted = set(event_ids) - self._asked
        if wanted:
            self._asked |= wanted
            self._events.update(self._source.events(wanted))

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
