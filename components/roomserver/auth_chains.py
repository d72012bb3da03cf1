"""Where the resolution of snapshots gets its events from."""

from collections.abc import Collection, Mapping
from typing import Final, Protocol

from components.roomserver.stored import KnownEvent
from matrix.events import Event
from matrix.identifiers import EventID


class AuthChains(Protocol):
    """Who knows events and the auth chains below them."""

    def known_chains(
        self, event_ids: Collection[EventID], ahead: int
    ) -> Mapping[EventID, KnownEvent]:
        """Return those of the events that are stored, and events of their auth chains."""
        ...


class ResolutionSource:
    """`matrix.state_resolution.EventSource`, for one resolution."""

    def __init__(self, chains: AuthChains) -> None:
        self._chains: Final = chains
        self._rejected: Final[set[EventID]] = set()

    def events(self, event_ids: Collection[EventID], ahead: int) -> Mapping[EventID, Event]:
        """Return those of these events that are stored, and up to `ahead` of their auth chains."""
        known = self._chains.known_chains(event_ids, ahead)
        self._rejected.update(event_id for event_id, one in known.items() if one.is_rejected)
        return {event_id: one.event for event_id, one in known.items()}

    def is_rejected(self, event_id: EventID) -> bool:
        """Return whether this event, which `events` has returned, was rejected."""
        return event_id in self._rejected
