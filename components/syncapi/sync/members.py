"""Which member events were sent to a device already: lazy loading does not repeat them."""

from collections.abc import Iterable
from typing import Final

from cachetools import LRUCache

_MAX_SENT: Final = 1000

DeviceRoom = tuple[str, str, str]
"""User, device, room."""


class SentMembers:
    """Whose member events a device has, per room.

    What an answer carried counts only once the client comes back with its token: an answer that
    was lost on the way is not taken for read.
    """

    def __init__(self, max_rooms: int) -> None:
        self._sent: Final[LRUCache[DeviceRoom, dict[str, int]]] = LRUCache(max_rooms)

    def known(self, device_room: DeviceRoom, since: int) -> frozenset[str]:
        """Return the users whose member events the device had at this position."""
        sent = self._sent.get(device_room)
        if sent is None:
            return frozenset()
        return frozenset([user_id for user_id, upto in sent.items() if upto <= since])

    def knows(self, device_room: DeviceRoom, since: int, user_ids: Iterable[str]) -> bool:
        """Whether the device had the member events of all these users at this position."""
        sent = self._sent.get(device_room)
        if sent is None:
            return False
        return all(user_id in sent and sent[user_id] <= since for user_id in user_ids)

    def note(self, device_room: DeviceRoom, user_ids: Iterable[str], upto: int) -> None:
        """Remember that an answer up to this position carried these users' member events."""
        sent = self._sent.setdefault(device_room, {})
        for user_id in user_ids:
            sent.setdefault(user_id, upto)
        if len(sent) > _MAX_SENT:
            sent.clear()

    def forget(self, device_room: DeviceRoom) -> None:
        """The device begins anew with this room."""
        self._sent.pop(device_room, None)
