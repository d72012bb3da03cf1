"""How far a client has read the topics that /sync is made of."""

from collections.abc import Mapping
from typing import Final, TypeAlias

Offsets: TypeAlias = tuple[int, ...]
"""Per partition of a topic the first offset that is not seen."""
SyncPosition: TypeAlias = tuple[Offsets, ...]
"""The offsets of each stream, in the order of their list (`streams.catalogue`).

Empty where a token of before there was the stream leaves them out.
"""

ROOMS: Final = 0
"""The place of the stream of rooms, the first one: places in timelines are offsets of its topic."""


def later(one: SyncPosition, other: SyncPosition) -> SyncPosition:
    """Return the position that has seen what either has."""
    return tuple(
        [
            mine if mine is theirs else tuple(map(max, mine, theirs))
            for mine, theirs in zip(one, other, strict=True)
        ]
    )


def is_beyond(one: SyncPosition, end: SyncPosition) -> bool:
    """Whether a position has seen what is not before the end."""
    return later(completed(one, end), end) != end


def completed(one: SyncPosition, now: SyncPosition) -> SyncPosition:
    """Return a position with the streams that it leaves out as they are now."""
    if all(one):
        return one
    return tuple([known or present for known, present in zip(one, now, strict=True)])


def with_offsets(position: SyncPosition, offsets: Mapping[int, Offsets]) -> SyncPosition:
    """Return a position with other offsets of some streams, by their slots."""
    if not offsets:
        return position
    return tuple([offsets.get(slot, known) for slot, known in enumerate(position)])


def with_rooms(position: SyncPosition, rooms: Offsets) -> SyncPosition:
    """Return a position with other offsets of the stream of rooms."""
    return (rooms, *position[1:])
