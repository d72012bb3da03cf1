"""Which thumbnail is made for what a client asks for."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Method = Literal["crop", "scale"]


class WantedThumbnail(NamedTuple):
    """A thumbnail, within a box of this size."""

    width: int
    height: int
    method: Method
    is_animated: bool


class Box(NamedTuple):
    """A width and a height in pixels."""

    width: int
    height: int


def rounded_up(width: int, height: int, edges: Sequence[int]) -> Box:
    """Return the box of the same shape whose longer edge is the next of `edges`, or the last.

    So there are few thumbnails of each picture, and none is smaller than what was asked for.
    """
    longer = max(width, height)
    edge = next((one for one in edges if one >= longer), edges[-1])
    # The shorter edge is not rounded off.
    return Box(*(max(-(-one * edge // longer), 1) for one in (width, height)))


def scaled(source: Box, wanted: WantedThumbnail) -> Box:
    """Return the size to which a picture is scaled, never up.

    To scale it fits into the box. To crop it covers the box, and what stands over is cut off.
    """
    factors = (wanted.width / source.width, wanted.height / source.height)
    factor = min(1.0, max(factors) if wanted.method == "crop" else min(factors))
    return Box(*(max(round(one * factor), 1) for one in source))
