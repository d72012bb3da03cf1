"""Tells what a picture is, by its head: none of it is decoded.

This module loads Pillow: it is imported when the first picture comes.
"""

import io
from typing import Final, NamedTuple

from PIL import Image

_TYPES: Final = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
}


class PictureFacts(NamedTuple):
    """What a picture is."""

    content_type: str
    width: int
    height: int


def picture_facts(body: bytes, pixels_max: int) -> PictureFacts | None:
    """Return what a picture is, whatever it was called; `None` for none, or one too large."""
    try:
        with Image.open(io.BytesIO(body), formats=("PNG", "JPEG", "GIF", "WEBP")) as picture:
            if picture.width * picture.height > pixels_max:
                return None
            return PictureFacts(_TYPES[picture.format or ""], picture.width, picture.height)
    except Exception:  # noqa: BLE001 (hostile bytes make decoders raise anything)
        return None
