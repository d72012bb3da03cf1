"""How media is answered: its headers, and the part that was asked for."""

import re
from typing import Final, NamedTuple
from urllib.parse import quote

from base.http.response import Header
from components.mediaapi.store.media import StoredMedia
from matrix.errors import MatrixError

FORMER_VERSIONS: Final = ("r0", "v1")
"""Of the specification, whose paths are answered as those of `v3` are."""
INLINE_TYPES: Final = frozenset(
    {
        "text/css",
        "text/plain",
        "text/csv",
        "application/json",
        "application/ld+json",
        "image/jpeg",
        "image/gif",
        "image/png",
        "image/apng",
        "image/webp",
        "image/avif",
        "video/mp4",
        "video/webm",
        "video/ogg",
        "video/quicktime",
        "audio/mp4",
        "audio/webm",
        "audio/aac",
        "audio/mpeg",
        "audio/ogg",
        "audio/wave",
        "audio/wav",
        "audio/x-wav",
        "audio/x-pn-wav",
        "audio/flac",
        "audio/x-flac",
    }
)
"""Client-server API, "Serving inline content"."""

_POLICY: Final = (
    b"sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; "
    b"style-src 'unsafe-inline'; media-src 'self'; object-src 'self';"
)
SAFETY: Final[tuple[Header, ...]] = (
    (b"content-security-policy", _POLICY),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""What keeps a browser from doing more with media than to show it."""

_UNKNOWN_TYPE: Final = "application/octet-stream"
_TYPE_MAX: Final = 255
_content_type: Final = re.compile(r"[!-~]+/[ -~]+")
_range: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_control: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_token: Final = re.compile(r"[A-Za-z0-9!#$&+.^_`|~-]+")


class RangeNotSatisfiable(MatrixError):
    """The media has no such part."""

    status = 416


class ByteRange(NamedTuple):
    """A part of media."""

    start: int
    size: int


def content_type_of(given: str | None) -> str:
    """Return the type that an upload has: what its client says, if that can be a type."""
    if given is None or len(given) > _TYPE_MAX or _content_type.fullmatch(given) is None:
        return _UNKNOWN_TYPE
    return given


def disposition_of(content_type: str, file_name: str | None) -> bytes:
    """Return how media is to be shown, and what it is called (RFC 6266)."""
    essence = content_type.partition(";")[0].strip().lower()
    shown = "inline" if essence in INLINE_TYPES else "attachment"
    name = _control.sub("", file_name or "")
    if not name:
        return shown.encode()
    if name.isascii():
        if _token.fullmatch(name):
            return f"{shown}; filename={name}".encode()
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'{shown}; filename="{escaped}"'.encode()
    return f"{shown}; filename*=utf-8''{quote(name, safe='', errors='replace')}".encode()


def part_of(size: int, header: str | None) -> ByteRange | None:
    """Return the part that a Range header asks for; `None` for the whole.

    What is no single range of bytes asks for the whole (RFC 9110, 14.2). Raises
    `RangeNotSatisfiable` where the media ends before the part begins.
    """
    match = None if header is None else _range.fullmatch(header.replace(" ", ""))
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start >= size or end < start:
        raise RangeNotSatisfiable
    return ByteRange(start, end - start + 1)


def headers_of(found: StoredMedia, file_name: str | None, *, is_public: bool) -> list[Header]:
    """Return the headers of media, whichever part is asked for."""
    cached = b"public" if is_public else b"private"
    return [
        *SAFETY,
        (b"content-disposition", disposition_of(found.content_type, file_name)),
        (b"cache-control", cached + b", max-age=86400, immutable"),
        (b"etag", etag_of(found).encode()),
        (b"accept-ranges", b"bytes"),
    ]


def etag_of(found: StoredMedia) -> str:
    """Return the name of the content, which never changes."""
    return f'"{found.media_id}"'
