"""The words of names, in the form in which they are compared: by which users are found.

A word is what people take for one: letters and digits with their marks, in any script. Of scripts
that put no spaces between words, every rest of a run of letters is one, so that `太郎` finds
`山田太郎`. Symbols, such as emoji, are words by themselves.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final
from unicodedata import category, normalize

_WORD_LETTERS_MAX: Final = 40
_spaceless: Final = re.compile(
    "[\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters of Thai, Lao, Tibetan, Burmese, Khmer, Korean, Japanese and Chinese."""


def words_of(text: str, words_max: int) -> list[str]:
    """Return the words of a text as they are looked for, the first ones."""
    return list(islice(dict.fromkeys(word for word, _ in _runs(text)), words_max))


def words_to_find(text: str, words_max: int) -> list[str]:
    """Return the words by whose beginnings a text is found, the first ones."""
    found = (rest for word, is_spaceless in _runs(text) for rest in _rests(word, is_spaceless))
    return list(islice(dict.fromkeys(found), words_max))


def _rests(word: str, is_spaceless: bool) -> Iterator[str]:  # noqa: FBT001 (as the runs have it)
    yield word
    if is_spaceless:
        yield from (
            word[at:] for at in range(1, len(word)) if not category(word[at]).startswith("M")
        )


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Give the words of a text, and whether each is of a script without spaces."""
    word, is_spaceless = "", False
    # Folding may leave what is not normal.
    for letter in normalize("NFKC", normalize("NFKC", text).casefold()):
        kind = category(letter)
        if kind == "Cf" or (kind[0] == "M" and word):
            # Marks belong to the letter before them; what is not seen separates nothing.
            word += letter if kind[0] == "M" else ""
            continue
        is_letter, was_spaceless = kind[0] in "LN", is_spaceless
        is_spaceless = is_letter and _spaceless.match(letter) is not None
        if word and not (is_letter and is_spaceless == was_spaceless):
            yield word[:_WORD_LETTERS_MAX], was_spaceless
            word = ""
        if is_letter:
            word += letter
        elif kind[0] == "S":
            yield letter, False
    if word:
        yield word[:_WORD_LETTERS_MAX], is_spaceless
