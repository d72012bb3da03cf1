"""Tokens of clients: positions of /sync, and places in the timeline of one room."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple
from zlib import crc32

import msgspec
from cachetools import LRUCache

from components.syncapi.position import ROOMS, Offsets, SyncPosition, is_beyond
from logs.positions import (
    TokenContents,
    TokenFromOtherGeneration,
    TokenInvalid,
    decode_token,
    encode_token,
)
from matrix.errors import InvalidParam

# A place is told from a position by its first letter: a position begins with its version.
_PLACE: Final = re.compile(r"t(-?[0-9]{1,18})_([0-9a-f]{8})", re.ASCII)
_RECENT_TOKENS: Final = 256


class Absent(Enum):
    """What a token means that does not have a stream: it is of before there was the stream."""

    REFUSED = auto()
    """Nothing: the client has to begin again."""
    NOW = auto()
    """As if the client had seen all of it."""
    START = auto()
    """As if the client had seen nothing of it."""


class Slot(NamedTuple):
    """How tokens tell the offsets of one stream."""

    number: int
    """Of the stream in tokens: never given again."""
    partitions: int
    absent: Absent
    confirms: bool = False
    """Whether a token says that what is before it has arrived at the device, and may be deleted."""


class TokenOutdated(InvalidParam):
    """A token of this server that means nothing any more: the client has to begin again."""


class Era(NamedTuple):
    """A time in which tokens were made that still mean something."""

    generation: str
    ends: SyncPosition | None
    """How far the log was at its end; None for the present one."""


class SyncTokens:
    """Makes tokens of the present era, the last one, and reads those of all."""

    def __init__(
        self, eras: Sequence[Era], slots: Sequence[Slot], former: Sequence[Era] = ()
    ) -> None:
        """Take besides the eras in which former copies of the tables made tokens."""
        self._former_ends: Final = {era.generation: era.ends for era in reversed(former)}
        # The newest first: of those whose marks are alike it is the one that goes farthest.
        self._ends: Final = {era.generation: era.ends for era in reversed(eras)}
        self._generation: Final = eras[-1].generation
        self._place_mark: Final = _mark(self._generation)
        self._ends_by_mark: Final = {_mark(era.generation): era.ends for era in eras}
        self._slots: Final = slots
        self._recent: Final[LRUCache[str, SyncPosition]] = LRUCache(_RECENT_TOKENS)

    def encode(self, position: SyncPosition) -> str:
        """Return the token of a position of /sync."""
        offsets = {
            slot.number: dict(enumerate(known))
            for slot, known in zip(self._slots, position, strict=True)
        }
        token = encode_token(TokenContents(self._generation, offsets))
        self._recent[token] = position
        return token

    def encode_unconfirmed(self, position: SyncPosition) -> str:
        """Return the token of a position whose owner was not given all that is before it."""
        return self.encode(
            tuple(
                [
                    (0,) * len(known) if slot.confirms else known
                    for slot, known in zip(self._slots, position, strict=True)
                ]
            )
        )

    def decode(self, token: str) -> SyncPosition:
        """Return the position of a token of /sync. Raises `InvalidParam` and `TokenOutdated`."""
        position = self._recent.get(token)
        if position is None:
            position = self._recent[token] = self._decode(token, self._ends)
        return position

    def _decode(self, token: str, ends_of: Mapping[str, SyncPosition | None]) -> SyncPosition:
        try:
            generation, offsets = msgspec.structs.astuple(decode_token(token, ends_of))
        except TokenInvalid as error:
            raise _unreadable() from error
        except TokenFromOtherGeneration as error:
            raise _outdated() from error
        position = tuple([_offsets(slot, offsets.get(slot.number, {})) for slot in self._slots])
        ends = ends_of[generation]
        if ends is not None and is_beyond(position, ends):
            raise _outdated()
        return position

    def decode_former(self, token: str) -> SyncPosition | None:
        """Return what a token says that another copy of the tables made, over the same log.

        Its offsets are those of the log, but places in rooms may be others.
        """
        try:
            return self._decode(token, self._former_ends)
        except InvalidParam:
            return None

    def encode_place(self, order: int) -> str:
        """Return the token of the place before the event with this order in a room."""
        return f"t{order}_{self._place_mark}"

    def decode_place(self, token: str, partition: int) -> int:
        """Return the place in a room of this partition, from its own or a token of /sync.

        Raises `InvalidParam` and `TokenOutdated`.
        """
        match = _PLACE.fullmatch(token)
        if match is None:
            return self.decode(token)[ROOMS][partition]
        order = int(match[1])
        if match[2] != self._place_mark:
            ends = self._ends_by_mark.get(match[2])
            if ends is None or order > ends[ROOMS][partition]:
                raise _outdated()
        return order


def _offsets(slot: Slot, told: Mapping[int, int]) -> Offsets:
    """Return the offsets of a stream that a token tells. Raises `TokenOutdated`."""
    if list(told) == list(range(slot.partitions)):
        return tuple(told.values())
    match slot.absent:
        case Absent.REFUSED:
            raise _outdated()
        case Absent.NOW:
            return ()
        case Absent.START:
            return (0,) * slot.partitions


def _unreadable() -> InvalidParam:
    return InvalidParam("This token is not one of this server's.")


def _outdated() -> TokenOutdated:
    return TokenOutdated(
        "This token is from before the server's data was rebuilt or restored: start again without "
        "it."
    )


def _mark(generation: str) -> str:
    return f"{crc32(generation.encode()):08x}"
