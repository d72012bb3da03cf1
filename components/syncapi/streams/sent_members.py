"""Which member events a device has already: lazy loading does not repeat them."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from cachetools import LRUCache

from components.syncapi.position import SyncPosition
from matrix.filters import Filter

_MAX_MEMBERS: Final = 1000
_MAX_ANSWERS: Final = 4
_NOTHING: Final[Mapping[str, AbstractSet[str]]] = {}

Device = tuple[str, str]
"""User, device."""


class SentRoom:
    """The member events of one room that an answer carried."""

    __slots__ = ("begins", "members", "room_id")

    def __init__(self, room_id: str, members: Iterable[str], *, begins: bool) -> None:
        self.room_id: Final = room_id
        self.members: Final = members
        self.begins: Final = begins
        """Whether the device begins again with the room, so that it has only these."""


class _Chain:
    """The answers that a device has taken from this process, one after another."""

    __slots__ = ("answers", "at", "filter", "rooms")

    def __init__(self, at: SyncPosition, filter_: Filter) -> None:
        self.at = at
        """The position that the device has reached."""
        self.filter: Final = filter_
        self.rooms: Final[dict[str, set[str]]] = {}
        """Whose member events it has there."""
        self.answers: Final[OrderedDict[SyncPosition, list[SentRoom]]] = OrderedDict()
        """The answers given from there: which of them it gets is not known yet."""

    def go_on(self, since: SyncPosition, filter_: Filter) -> bool:
        """Follow the device to this position; false if another answer brought it there."""
        if self.filter is not filter_:
            return False
        if self.at == since:
            return True
        arrived = self.answers.get(since)
        if arrived is None:
            return False
        for sent in arrived:
            self.add(sent)
        self.answers.clear()
        self.at = since
        return True

    def add(self, sent: SentRoom) -> None:
        """Note that the device has what an answer carried of a room."""
        if sent.begins:
            self.rooms.pop(sent.room_id, None)
        members = self.rooms.setdefault(sent.room_id, set())
        members.update(sent.members)
        if len(members) > _MAX_MEMBERS:
            members.clear()


class SentMembers:
    """Whose member events each device has, as far as this process knows for certain.

    What an answer carried counts once the device comes back with that answer's token. A device
    that comes with another token has been to another process, or begins again from where it was
    before: nothing is known of it any more, and member events are sent again rather than left out.
    """

    def __init__(self, max_rooms: int) -> None:
        self._chains: Final[LRUCache[Device, _Chain]] = LRUCache(max_rooms, _size)

    def come(
        self, device: Device, since: SyncPosition | None, filter_: Filter
    ) -> Mapping[str, AbstractSet[str]]:
        """Return by room whose member events the device has that asks from this position on."""
        chain = self._chains.pop(device, None)
        if since is None:
            return _NOTHING
        if chain is None or not chain.go_on(since, filter_):
            chain = _Chain(since, filter_)
        self._keep(device, chain)
        return chain.rooms

    def go(
        self,
        device: Device,
        since: SyncPosition | None,
        upto: SyncPosition,
        filter_: Filter,
        sent: list[SentRoom],
    ) -> None:
        """Note that the device is answered with these member events, up to this position."""
        if since is None:
            chain = _Chain(upto, filter_)
            for one in sent:
                chain.add(one)
            self._keep(device, chain)
            return
        known = self._chains.get(device)
        if known is None or known.filter is not filter_ or known.at != since or upto == since:
            return
        known.answers[upto] = sent
        if len(known.answers) > _MAX_ANSWERS:
            known.answers.popitem(last=False)

    def _keep(self, device: Device, chain: _Chain) -> None:
        # A device with more rooms than all devices together may have is not remembered.
        if _size(chain) <= self._chains.maxsize:
            self._chains[device] = chain
        else:
            self._chains.pop(device, None)


def _size(chain: _Chain) -> int:
    return len(chain.rooms) + 1
