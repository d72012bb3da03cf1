"""Who types in the rooms of one partition, as far as it is committed."""

from collections.abc import Mapping
from typing import NamedTuple

Typists = Mapping[str, int]
"""Users with the time (ms) until which each types, in the order in which they began."""


class Typist(NamedTuple):
    """A user who types in a room until a time."""

    room_id: str
    user_id: str
    deadline_ms: int


class TypingPartition:
    """The rooms of a partition where somebody types. Lives as long as one ownership of it."""

    __slots__ = ("_rooms", "count", "is_loaded")

    def __init__(self) -> None:
        self._rooms: dict[str, Typists] = {}
        self.count = 0
        """How many types there are in all rooms together."""
        self.is_loaded = False
        """Whether this is what the database says."""

    def load(self, rooms: Mapping[str, Typists]) -> None:
        """Take over what the database says."""
        self._rooms = dict(rooms)
        self.count = sum(map(len, rooms.values()))
        self.is_loaded = True

    def forget(self) -> None:
        """Forget everything: it has to be loaded again."""
        self._rooms = {}
        self.count = 0
        self.is_loaded = False

    def typists(self, room_id: str) -> Typists:
        """Return who types in a room."""
        return self._rooms.get(room_id, _NOBODY)

    def update(self, changed: Mapping[str, Typists]) -> None:
        """Let these rooms be as they are now."""
        for room_id, typists in changed.items():
            self.count += len(typists) - len(self._rooms.get(room_id, _NOBODY))
            if typists:
                self._rooms[room_id] = typists
            else:
                self._rooms.pop(room_id, None)

    def all(self) -> list[Typist]:
        """Return all who type."""
        return [
            Typist(room_id, user_id, deadline_ms)
            for room_id, typists in self._rooms.items()
            for user_id, deadline_ms in typists.items()
        ]


_NOBODY: Typists = {}
