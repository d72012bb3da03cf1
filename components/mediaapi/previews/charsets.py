"""Finds out in which charset a page is written, and reads it."""

import codecs
import re
from collections.abc import Iterator
from typing import Final

_HEAD_BYTES: Final = 4096
"""How far into a page it may say its charset."""
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_of_type: Final = re.compile(r"charset\s*=\s*[\"']?\s*([\w:.-]{1,40})", re.IGNORECASE)
_of_meta: Final = re.compile(
    rb"<\s{0,10}meta\s[^>]{0,200}?charset\s{0,10}=\s{0,10}[\"']?\s{0,10}([\w:.-]{1,40})",
    re.IGNORECASE,
)
_of_xml: Final = re.compile(
    rb"\s{0,10}<\?xml\s[^>]{0,200}?encoding\s{0,10}=\s{0,10}[\"']([\w:.-]{1,40})"
)
_KNOWN: Final = frozenset(
    codecs.lookup(name).name
    for name in (
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be"),
        *(f"iso8859-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
        *(f"cp{number}" for number in (866, 874, 932, 949, *range(1250, 1259))),
        *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "tis-620"),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs"),
        *("shift_jis", "euc_jp", "iso2022_jp", "euc_kr"),
    )
)
"""Charsets of text. Python has codecs besides that are none, and some that take very long."""
_MEANT: Final = {"iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
"""What browsers read, whatever a page says."""
_LAST: Final = "cp1252"


def decoded(body: bytes, content_type: str) -> str:
    """Return the text of a page, whose end may be missing.

    The first charset that fits is taken: of the byte order mark, the Content-Type, what the page
    says, UTF-8. What fits none is read as windows-1252, in which nearly any bytes are text.
    """
    for charset in _charsets(body, content_type):
        try:
            return codecs.getincrementaldecoder(charset)().decode(body)
        except UnicodeError:
            continue
    return body.decode(_LAST, "replace")


def _charsets(body: bytes, content_type: str) -> Iterator[str]:
    for bom, charset in _BOMS:
        if body.startswith(bom):
            yield charset
    head = body[:_HEAD_BYTES]
    named = [_of_type.search(content_type[:_HEAD_BYTES])]
    said = [_of_meta.search(head), _of_xml.match(head)]
    names = [found.group(1) for found in named if found is not None]
    names += [found.group(1).decode("latin-1") for found in said if found is not None]
    for name in names:
        known = _charset_of(name)
        if known is not None:
            yield known
    yield "utf-8"


def _charset_of(name: str) -> str | None:
    """Return the charset of a name, as Python calls it; `None` for what is none."""
    try:
        charset = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return _MEANT.get(charset, charset) if charset in _KNOWN else None
