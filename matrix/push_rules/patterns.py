"""Glob patterns as push rules use them, matched in time that grows with the text alone.

All work on lower case: what "case-insensitively" means is the server's to say.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

LONGEST: Final = 512
"""A longer pattern matches nothing: no word or name is, and the search stays cheap."""

Matches = Callable[[str], bool]
"""Whether a text, in lower case, matches."""

_WORD_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
)
_BOUNDARY: Final = "(?:(?<![A-Za-z0-9_])|(?![A-Za-z0-9_]))"


@lru_cache(maxsize=4096)
def match_whole(pattern: str) -> Matches:
    """Return the question whether a whole text matches the pattern."""
    wanted = pattern.lower()
    if not _has_wildcards(wanted):
        return wanted.__eq__
    if len(wanted) > LONGEST:
        return _never
    expression = _expression(_parts(wanted), r"\Z")
    return lambda text: expression.match(text) is not None


@lru_cache(maxsize=4096)
def match_words(pattern: str) -> Matches:
    """Return the question whether the pattern matches in a text, from word boundary to boundary."""
    wanted = pattern.lower()
    if len(wanted) > LONGEST:
        return _never
    if not _has_wildcards(wanted):
        return lambda text: has_words(text, wanted)
    first, *rest = _parts(wanted)
    expression = _expression(["", _BOUNDARY + first, *rest], _BOUNDARY)
    return lambda text: expression.match(text) is not None


def has_words(text: str, words: str) -> bool:
    """Whether a text has these words in it, neither following nor followed by a part of a word."""
    at = text.find(words)
    while at >= 0:
        if _is_boundary(text, at) and _is_boundary(text, at + len(words)):
            return True
        at = text.find(words, at + 1)
    return False


def _is_boundary(text: str, at: int) -> bool:
    return (
        at == 0
        or at == len(text)
        or text[at - 1] not in _WORD_CHARACTERS
        or text[at] not in _WORD_CHARACTERS
    )


def _has_wildcards(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _never(text: str) -> bool:
    del text
    return False


def _expression(parts: list[str], end: str) -> re.Pattern[str]:
    """Return the expression of parts that follow on each other with anything in between."""
    # Between two parts the first place that fits is as good as any later one, because all parts
    # have a fixed length: nothing is ever tried again, however many stars there are.
    first, *rest = parts
    if not rest:
        return re.compile(first + end, re.DOTALL)
    rest[-1] += end
    return re.compile(first + "".join(f"(?>.*?{part})" for part in rest), re.DOTALL)


def _parts(pattern: str) -> list[str]:
    return [
        "".join("." if character == "?" else re.escape(character) for character in part)
        for part in re.split(r"\*+", pattern)
    ]
