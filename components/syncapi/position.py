"""How far a client has read the topics that /sync is made of."""

import msgspec


class SyncPosition(msgspec.Struct, frozen=True, gc=False):
    """Per partition the first offset that is not seen."""

    rooms: tuple[int, ...]
    client_data: tuple[int, ...]


def later(one: SyncPosition, other: SyncPosition) -> SyncPosition:
    """Return the position that has seen what either has."""
    return SyncPosition(
        tuple(map(max, one.rooms, other.rooms)),
        tuple(map(max, one.client_data, other.client_data)),
    )
