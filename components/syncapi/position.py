"""How far a client has read the topics that /sync is made of."""

import msgspec


class SyncPosition(msgspec.Struct, frozen=True, gc=False):
    """Per partition the first offset that is not seen."""

    rooms: tuple[int, ...]
    client_data: tuple[int, ...]
    receipts: tuple[int, ...] = ()
    """Empty in tokens of before there were receipts; the same goes for typing."""
    typing: tuple[int, ...] = ()


def later(one: SyncPosition, other: SyncPosition) -> SyncPosition:
    """Return the position that has seen what either has."""
    return SyncPosition(
        tuple(map(max, one.rooms, other.rooms)),
        tuple(map(max, one.client_data, other.client_data)),
        tuple(map(max, one.receipts, other.receipts)),
        tuple(map(max, one.typing, other.typing)),
    )


def is_beyond(one: SyncPosition, end: SyncPosition) -> bool:
    """Whether a position has seen what is not before the end."""
    return later(completed(one, end), end) != end


def completed(one: SyncPosition, now: SyncPosition) -> SyncPosition:
    """Return a position with the topics that it leaves out as they are now."""
    if one.receipts and one.typing:
        return one
    return SyncPosition(
        one.rooms, one.client_data, one.receipts or now.receipts, one.typing or now.typing
    )
