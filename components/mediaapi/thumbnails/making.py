"""Makes thumbnails with Pillow, of pictures that nobody vouches for.

What a picture would take is known before any of it is decoded. This module loads Pillow, which
costs a process memory: it is imported when the first thumbnail is made.
"""

import io
from typing import Any, Final, NamedTuple

from PIL import Image, ImageOps

from components.mediaapi.thumbnails.wanted import Box, WantedThumbnail, scaled

# It would warn, at a size of its own. Sizes are looked at here, before pictures are decoded.
Image.MAX_IMAGE_PIXELS = None

_TYPES: Final = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
}
_MORE_TYPES: Final = {**_TYPES, "MPO": _TYPES["JPEG"]}
"""A JPEG may hold further pictures, of which the first one counts."""
_FRAMES_MAX: Final = 100
_QUALITY: Final = 80
_FRAME_MS: Final = 100


class MadeThumbnail(NamedTuple):
    """A thumbnail as it is sent."""

    body: bytes
    content_type: str


class NoPicture(Exception):
    """There is no thumbnail of this."""


class PictureTooLarge(Exception):
    """The picture has too many pixels."""


def make_thumbnail(source: bytes, wanted: WantedThumbnail, pixels_max: int) -> MadeThumbnail:
    """Return the thumbnail; the picture itself where that is small enough.

    What it is counts, not what its name or type says. Raises `NoPicture` and `PictureTooLarge`.
    """
    try:
        with Image.open(io.BytesIO(source), formats=tuple(_TYPES)) as picture:
            return _made(picture, source, wanted, pixels_max)
    except PictureTooLarge:
        raise
    except Exception as error:
        # Hostile bytes make decoders raise anything.
        raise NoPicture(str(error)) from error


def _made(
    picture: Image.Image, source: bytes, wanted: WantedThumbnail, pixels_max: int
) -> MadeThumbnail:
    _check(picture, pixels_max)
    moves = picture.format != "MPO" and bool(getattr(picture, "is_animated", False))
    if moves and wanted.is_animated:
        frames = min(_FRAMES_MAX, pixels_max // (picture.width * picture.height))
        if frames > 1:
            return _animated(picture, wanted, pixels_max, frames)
    if not moves and picture.width <= wanted.width and picture.height <= wanted.height:
        picture.load()
        return MadeThumbnail(source, _MORE_TYPES[picture.format or ""])
    # A JPEG is decoded at a fraction of its size where that is enough.
    picture.draft("RGB", _size_for(picture, wanted))
    return _still(picture, wanted)


def _check(picture: Image.Image, pixels_max: int) -> None:
    if picture.width * picture.height > pixels_max:
        raise PictureTooLarge


def _size_for(picture: Image.Image, wanted: WantedThumbnail) -> Box:
    """Return how large a picture has to be, at least, whichever way it is turned."""
    edge = max(scaled(Box(*picture.size), wanted))
    turned = max(scaled(Box(picture.height, picture.width), wanted))
    return Box(max(edge, turned), max(edge, turned))


def _still(picture: Image.Image, wanted: WantedThumbnail) -> MadeThumbnail:
    made = _fitted(_plain(ImageOps.exif_transpose(picture)), wanted)
    written = io.BytesIO()
    if made.mode == "RGBA":
        made.save(written, "PNG")
        return MadeThumbnail(written.getvalue(), _TYPES["PNG"])
    made.save(written, "JPEG", quality=_QUALITY)
    return MadeThumbnail(written.getvalue(), _TYPES["JPEG"])


def _animated(
    picture: Image.Image, wanted: WantedThumbnail, pixels_max: int, frames_max: int
) -> MadeThumbnail:
    frames, durations = list[Image.Image](), list[int]()
    try:
        for number in range(frames_max):
            picture.seek(number)
            # A frame may be larger than those before it.
            _check(picture, pixels_max)
            frames.append(_fitted(picture.convert("RGBA"), wanted))
            durations.append(int(_info(picture).get("duration", _FRAME_MS)) or _FRAME_MS)
    except EOFError:
        # There are fewer.
        pass
    written = io.BytesIO()
    frames[0].save(
        written,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        quality=_QUALITY,
    )
    return MadeThumbnail(written.getvalue(), _TYPES["WEBP"])


def _info(picture: Image.Image) -> dict[Any, Any]:
    return picture.info


def _plain(picture: Image.Image) -> Image.Image:
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _fitted(picture: Image.Image, wanted: WantedThumbnail) -> Image.Image:
    size = scaled(Box(*picture.size), wanted)
    made = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if wanted.method == "scale":
        return made
    width, height = min(wanted.width, size.width), min(wanted.height, size.height)
    left, top = (size.width - width) // 2, (size.height - height) // 2
    return made.crop((left, top, left + width, top + height))
