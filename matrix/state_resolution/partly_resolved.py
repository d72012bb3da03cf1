"""The state that the checks of a resolution read."""

from typing import Final

from matrix.identifiers import EventID
from matrix.state_keys import StateKey, StateMap


class PartlyResolved:
    """What was decided so far, over a state that is asked for single keys and stays as it is."""

    __slots__ = ("_below", "decided")

    def __init__(self, below: "StateMap | PartlyResolved") -> None:
        self._below: Final = below
        self.decided: Final[dict[StateKey, EventID]] = {}

    def get(self, key: StateKey) -> EventID | None:
        """Return the event that holds a key now."""
        event_id = self.decided.get(key)
        return self._below.get(key) if event_id is None else event_id
