"""What a path that no route knows looks like, without what it says of anybody."""

import re
from typing import Final

_SEGMENTS_MAX: Final = 12
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}|", re.ASCII)
_DIGITS_MAX: Final = 4
_OTHER: Final = "{}"


def shape_of(path: str) -> str:
    """Return the path with `{}` for each segment that is no plain word, such as an identifier.

    It is made from the network's bytes: it is short and has no characters that need care.
    """
    segments = path.split("/", _SEGMENTS_MAX + 1)[1:]
    shown = [one if _is_word(one) else _OTHER for one in segments]
    return "/" + "/".join(shown)


def _is_word(segment: str) -> bool:
    return _WORD.fullmatch(segment) is not None and sum(map(str.isdigit, segment)) <= _DIGITS_MAX
