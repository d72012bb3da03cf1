"""Glob patterns as push rules use them, matched in time that no pattern can make explode.

All work on lower case: what "case-insensitively" means is the server's to say. Where wildcards
are looked for, a text becomes one number per character, whose bits are the places of the
character. A part of a pattern is then looked for at all places at once: one shift and one `and`
per character of the pattern, whatever the text.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

LONGEST: Final = 512
"""A longer pattern matches nothing: no word or name is, and the search stays cheap."""
LONGEST_TEXT: Final = 4096
"""Characters of a text in which words are looked for; a longer one is not compared as a whole."""

Matches = Callable[[str], bool]
"""Whether a text, in lower case, matches."""

_TRIES: Final = 8
"""Places that are tried one by one before all are looked at together."""
_WORD_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
)


@lru_cache(maxsize=4096)
def match_whole(pattern: str) -> Matches:
    """Return the question whether a whole text matches the pattern."""
    wanted = pattern.lower()
    if not _has_wildcards(wanted):
        return wanted.__eq__
    if len(wanted) > LONGEST:
        return _never
    parts = _parts(wanted)
    return lambda text: _have_places(parts, text, starts=1, ends=1 << len(text))


@lru_cache(maxsize=4096)
def match_words(pattern: str) -> Matches:
    """Return the question whether the pattern matches in a text, from word boundary to boundary."""
    wanted = pattern.lower()
    if len(wanted) > LONGEST:
        return _never
    if not _has_wildcards(wanted):
        return lambda text: has_words(text, wanted)
    rarest = max(re.split(r"[*?]+", wanted), key=len)
    parts = _parts(wanted)
    return lambda text: rarest in text and _are_words_of(text, parts)


def has_words(text: str, words: str) -> bool:
    """Whether a text has these words in it, neither following nor followed by a part of a word."""
    at = text.find(words)
    for _ in range(_TRIES):
        if at < 0:
            return False
        if _is_boundary(text, at) and _is_boundary(text, at + len(words)):
            return True
        at = text.find(words, at + 1)
    return _are_words_of(text, [_part(words)])


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


class _Part(NamedTuple):
    """What stands between two stars of a pattern: its characters, some of them any."""

    length: int
    characters: Sequence[tuple[int, str]]
    """Those that are not any, with their places in the part."""


def _parts(pattern: str) -> list[_Part]:
    return [_part(text, any_character="?") for text in re.split(r"\*+", pattern)]


def _part(text: str, any_character: str | None = None) -> _Part:
    known = [(at, one) for at, one in enumerate(text) if one != any_character]
    return _Part(len(text), known)


@lru_cache(maxsize=4)
def _places(text: str) -> Mapping[str, int]:
    """Return for each character of a text its places, the first of them as the lowest bit."""
    # A user's rules are asked about one text after another: the newest ones are enough.
    places: dict[str, int] = {}
    bit = 1
    for character in text:
        places[character] = places.get(character, 0) | bit
        bit <<= 1
    return places


@lru_cache(maxsize=4)
def _boundaries(text: str) -> int:
    """Return the places before which a word can begin or end, the end of the text included."""
    places = _places(text)
    end = 1 << len(text)
    others = end - 1
    for character in _WORD_CHARACTERS & places.keys():
        others ^= places[character]
    return others | others << 1 | 1 | end


def _are_words_of(text: str, parts: Sequence[_Part]) -> bool:
    boundaries = _boundaries(text)
    return _have_places(parts, text, starts=boundaries, ends=boundaries)


def _have_places(parts: Sequence[_Part], text: str, *, starts: int, ends: int) -> bool:
    """Whether parts follow each other with anything between, the first and last where allowed."""
    # The first place that fits a part is as good as any later one, because all parts have a
    # fixed length: nothing is ever tried again, however many stars there are.
    last = len(parts) - 1
    allowed = starts
    for number, part in enumerate(parts):
        if number == last:
            allowed &= ends >> part.length
        found = _starts_of(part, text, allowed)
        if not found:
            return False
        first = (found & -found).bit_length() - 1
        allowed = -1 << (first + part.length)
    return True


def _starts_of(part: _Part, text: str, allowed: int) -> int:
    """Return at which of these places a part can stand."""
    room = len(text) - part.length
    if room < 0:
        return 0
    places = _places(text)
    found = allowed & ((1 << room + 1) - 1)
    for at, character in part.characters:
        if not found:
            return 0
        found &= places.get(character, 0) >> at
    return found
