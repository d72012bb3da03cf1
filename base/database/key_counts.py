"""Statements for a number of keys come in few sizes, so that each is compiled once."""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

K = TypeVar("K")


def cut_to_sizes(
    keys: Collection[K], sizes: Sequence[int], filler: K | None = None
) -> Iterator[list[K]]:
    """Give the keys in parts, each of one of these sizes, which rise.

    A part that is too small for its size ends with fillers: where none is given its last key is
    repeated, for statements that find the row of a key given twice once.
    """
    rest = list(keys)
    while rest:
        size = next((one for one in sizes if one >= len(rest)), sizes[-1])
        part, rest = rest[:size], rest[size:]
        part.extend([part[-1] if filler is None else filler] * (size - len(part)))
        yield part
