"""Reads what a page says of itself, from HTML that nobody vouches for.

The page is read as a stream of tags and text, and no tree is made of it: what a page takes grows
with its length alone, however its tags are nested, and little of it is kept. This module loads
lxml, which costs a process memory: it is imported when the first page is read.
"""

import time
from collections.abc import Mapping
from typing import Final, Protocol

from lxml import etree

from components.mediaapi.previews.page_facts import Description, PageFacts

_PIECE: Final = 16_384
_SECONDS_MAX: Final = 1.0
_PROPERTIES_MAX: Final = 100
_VALUE_MAX: Final = 4096
_TEXT_MAX: Final = 2000
_NOT_READ: Final = frozenset(
    {
        *("script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas"),
        *("header", "nav", "aside", "footer", "form", "button", "select", "textarea", "dialog"),
        *("video", "audio", "picture"),
    }
)
"""Elements whose text does not describe a page."""
_INLINE: Final = frozenset(
    {
        *("a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i"),
        *("ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time"),
        *("tt", "u", "var", "wbr"),
    }
)
"""Elements that are within a line of text."""
_NAMING: Final = ("title", "h1", "h2", "h3")
"""Elements that name a page, the best one first."""
_SMALLEST_EDGE: Final = 10
_DIGITS_MAX: Final = 5


class _Parser(Protocol):
    """lxml's parser, which has no types."""

    def feed(self, data: bytes) -> None: ...
    def close(self) -> object: ...


def read_page(text: str) -> PageFacts:
    """Return what a page says of itself, as far as it can be read in a moment."""
    reading = _Reading()
    parser: _Parser = etree.HTMLParser(
        target=reading, encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True
    )
    written = text.replace("\0", "").encode("utf-8", "replace")
    ends_s = time.monotonic() + _SECONDS_MAX
    try:
        for start in range(0, len(written), _PIECE):
            parser.feed(written[start : start + _PIECE])
            if time.monotonic() > ends_s:
                break
        else:
            parser.close()
    except etree.LxmlError:
        # What was read until then counts.
        pass
    return reading.facts()


class _Reading:
    """Takes the tags and the text of a page in their order, as lxml's parser calls it."""

    def __init__(self) -> None:
        self._properties: dict[str, str] = {}
        self._named: dict[str, str] = {}
        """The text of the first element of each kind that names a page."""
        self._description = Description()
        self._oembed: str | None = None
        self._picture: tuple[int, str] | None = None
        self._within = ""
        """The element whose text is taken as the name of the page."""
        self._is_title = False
        self._not_read = 0

    def facts(self) -> PageFacts:
        """Return what was read."""
        names = (" ".join(self._named.get(kind, "").split()) for kind in _NAMING)
        return PageFacts(
            properties=self._properties,
            title=next(filter(None, names), ""),
            text=self._description.text(),
            picture=None if self._picture is None else self._picture[1],
            oembed=self._oembed,
        )

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take the start of an element."""
        if tag in _NOT_READ:
            self._not_read += 1
        elif tag == "meta":
            self._take_property(attributes)
        elif tag == "link":
            self._take_link(attributes)
        elif tag == "img":
            self._take_picture(attributes)
        elif tag in _NAMING and tag not in self._named:
            self._named[tag] = ""
            self._within = tag
        if tag == "title":
            self._is_title = True
        if tag not in _INLINE:
            self._description.end_line()

    def end(self, tag: str) -> None:
        """Take the end of an element."""
        if tag in _NOT_READ:
            self._not_read = max(self._not_read - 1, 0)
        if tag == "title":
            self._is_title = False
        if tag == self._within:
            self._within = ""
        if tag not in _INLINE:
            self._description.end_line()

    def data(self, text: str) -> None:
        """Take text."""
        if self._not_read:
            return
        if self._within and len(self._named[self._within]) < _TEXT_MAX:
            self._named[self._within] += text[:_TEXT_MAX]
        if not self._is_title:
            self._description.add(text)

    def close(self) -> None:
        """Take the end of the page."""

    def _take_property(self, attributes: Mapping[str, str]) -> None:
        value = attributes.get("content", "").strip()
        if not value or len(value) > _VALUE_MAX:
            return
        for kind in ("property", "name", "itemprop"):
            name = attributes.get(kind, "").strip().lower()
            if name and len(self._properties) < _PROPERTIES_MAX:
                # Of several, as of pictures, the first one is meant first.
                self._properties.setdefault(name[:_VALUE_MAX], value)

    def _take_link(self, attributes: Mapping[str, str]) -> None:
        relations = attributes.get("rel", "").lower().split()
        target = attributes.get("href", "").strip()
        if not target or len(target) > _VALUE_MAX:
            return
        if "image_src" in relations:
            self._properties.setdefault("image_src", target)
        kind = attributes.get("type", "").strip().lower()
        if "alternate" in relations and kind == "application/json+oembed":
            self._oembed = self._oembed or target

    def _take_picture(self, attributes: Mapping[str, str]) -> None:
        """Keep the picture that says that it is the largest, or else the first one."""
        source = attributes.get("src", "").strip()
        if self._not_read or not source or len(source) > _VALUE_MAX or source.startswith("data:"):
            return
        width, height = (_edge(attributes.get(name, "")) for name in ("width", "height"))
        if width is not None and height is not None and min(width, height) <= _SMALLEST_EDGE:
            return
        size = (width or 0) * (height or 0)
        if self._picture is None or size > self._picture[0]:
            self._picture = size, source


def _edge(text: str) -> int | None:
    digits = text.strip().removesuffix("px")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX
    return int(digits) if is_number else None
