"""What a page says of itself, and the text by which one that says nothing is described."""

from typing import Final

import msgspec

_ENOUGH: Final = 200
_LONGEST: Final = 500
_READ_MAX: Final = 4000


class PageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says of itself."""

    properties: dict[str, str] = {}
    """What its `meta` elements say, by names in lower case; the first of each name."""
    title: str = ""
    text: str = ""
    """The start of what is to be read in it."""
    picture: str | None = None
    """The address of a picture in it, as it stands there."""
    oembed: str | None = None
    """The address at which it is described as oEmbed has it."""


class Description:
    """Collects lines of text until there is enough to describe a page."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._length = 0

    def add(self, text: str) -> None:
        """Add to the line."""
        if self._length < _READ_MAX:
            self._line.append(text[:_READ_MAX])
            self._length += len(text.strip())

    def end_line(self) -> None:
        """Begin another line."""
        if self._line:
            line = " ".join("".join(self._line).split())
            self._line = []
            if line:
                self._lines.append(line)

    def text(self) -> str:
        """Return the first lines, some 200 to 500 characters."""
        self.end_line()
        text = ""
        for line in self._lines:
            text = f"{text}\n\n{line}" if text else line
            if len(text) >= _ENOUGH:
                break
        if len(text) <= _LONGEST:
            return text
        # The last word may be cut, unless it is all there is.
        return f"{text[:_LONGEST].rpartition(' ')[0] or text[:_LONGEST]}…"
