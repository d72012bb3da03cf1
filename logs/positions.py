"""Sync tokens: positions in several topics as one short, checked, opaque text.

The bytes are: version; 2 bytes of the generation's hash; 2 bytes of checksum; then per topic its
number, its partitions (count, or a bitmap when some are absent), the lowest offset, and each
partition's distance from it in as many bits as the farthest needs. 16 partitions of 4 topics with
offsets around ten million, a tenth apart, are some 250 characters.
"""

import binascii
from collections.abc import Collection, Mapping
from typing import Final
from zlib import crc32

import msgspec

from matrix.unpadded_base64 import decode_base64_url_safe, encode_base64_url_safe

_VERSION: Final = 1
_HEAD_BYTES: Final = 5
_MAX_CHARACTERS: Final = 2048
_MAX_PARTITION: Final = 1024
_MAX_BITS: Final = 63


class TokenInvalid(ValueError):
    """The text is no token that this server wrote, or it was changed on the way."""


class TokenFromOtherGeneration(ValueError):
    """The token was written before the log began again: its positions mean nothing now."""


class TokenContents(msgspec.Struct, frozen=True):
    """What a token says: per topic number and partition the next offset to read."""

    generation: str
    offsets: Mapping[int, Mapping[int, int]]


def encode_token(contents: TokenContents) -> str:
    """Return the token: equal contents give equal tokens, of letters, digits, `-` and `_`.

    Raises `ValueError` on numbers that are negative or out of bounds.
    """
    body = bytearray()
    for topic, offsets in sorted(contents.offsets.items()):
        if not offsets:
            continue
        _put_number(body, topic)
        _put_offsets(body, offsets)
    head = bytes((_VERSION,)) + _generation_hash(contents.generation)
    data = head + _checksum(head, body) + body
    return encode_base64_url_safe(data)


def decode_token(token: str, generations: Collection[str]) -> TokenContents:
    """Return what a token of one of these generations says.

    Raises `TokenInvalid` and `TokenFromOtherGeneration`.
    """
    data = _decode_text(token)
    head, checksum, body = data[:3], data[3:_HEAD_BYTES], data[_HEAD_BYTES:]
    if len(data) < _HEAD_BYTES or head[0] != _VERSION or _checksum(head, body) != checksum:
        raise TokenInvalid("The token is damaged, or of another version.")
    generation = next((one for one in generations if _generation_hash(one) == head[1:]), None)
    if generation is None:
        raise TokenFromOtherGeneration("The token is of a former log.")
    offsets: dict[int, Mapping[int, int]] = {}
    place = 0
    while place < len(body):
        topic, place = _take_number(body, place)
        if topic in offsets:
            raise TokenInvalid("The token names a topic twice.")
        offsets[topic], place = _take_offsets(body, place)
    return TokenContents(generation, offsets)


def _decode_text(token: str) -> bytes:
    if len(token) > _MAX_CHARACTERS:
        raise TokenInvalid("The token is too long.")
    try:
        return decode_base64_url_safe(token)
    except ValueError as error:
        raise TokenInvalid("The token is not base64url.") from error


def _generation_hash(generation: str) -> bytes:
    return (crc32(generation.encode()) & 0xFFFF).to_bytes(2, "little")


def _checksum(head: bytes, body: bytes | bytearray) -> bytes:
    # A cyclic code of 16 bits: no change within two characters of the token escapes it.
    return binascii.crc_hqx(body, binascii.crc_hqx(head, 0)).to_bytes(2, "little")


def _put_offsets(body: bytearray, offsets: Mapping[int, int]) -> None:
    numbers = sorted(offsets)
    count = numbers[-1] + 1
    if numbers[0] < 0 or count > _MAX_PARTITION:
        raise ValueError(f"Partition numbers go from 0 to {_MAX_PARTITION - 1}.")
    lowest, highest = min(offsets.values()), max(offsets.values())
    if lowest < 0 or highest.bit_length() > _MAX_BITS:
        raise ValueError("Offsets are numbers of 63 bits.")
    if count == len(numbers):
        _put_number(body, count << 1)
    else:
        _put_number(body, count << 1 | 1)
        bitmap = sum(1 << number for number in numbers)
        body += bitmap.to_bytes((count + 7) // 8, "little")
    _put_number(body, lowest)
    width = (highest - lowest).bit_length()
    body.append(width)
    packed = 0
    for number in reversed(numbers):
        packed = packed << width | offsets[number] - lowest
    body += packed.to_bytes((width * len(numbers) + 7) // 8, "little")


def _take_offsets(body: bytes, place: int) -> tuple[dict[int, int], int]:
    head, place = _take_number(body, place)
    count, is_sparse = head >> 1, head & 1
    if not 0 < count <= _MAX_PARTITION:
        raise TokenInvalid("The token names too many partitions.")
    numbers = list(range(count))
    if is_sparse:
        bitmap, place = _take_bytes(body, place, (count + 7) // 8)
        numbers = [number for number in numbers if bitmap >> number & 1]
    lowest, place = _take_number(body, place)
    width, place = _take_bytes(body, place, 1)
    if width > _MAX_BITS:
        raise TokenInvalid("The token's offsets are too large.")
    packed, place = _take_bytes(body, place, (width * len(numbers) + 7) // 8)
    mask = (1 << width) - 1
    return {
        number: lowest + (packed >> width * index & mask) for index, number in enumerate(numbers)
    }, place


def _put_number(body: bytearray, number: int) -> None:
    if number < 0:
        raise ValueError("A token holds no negative numbers.")
    while number > 0x7F:  # noqa: PLR2004 — seven bits a byte
        body.append(number & 0x7F | 0x80)
        number >>= 7
    body.append(number)


def _take_number(body: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while place < len(body) and shift <= _MAX_BITS:
        byte = body[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte <= 0x7F:  # noqa: PLR2004 — seven bits a byte
            return number, place
        shift += 7
    raise TokenInvalid("The token ends in the middle of a number.")


def _take_bytes(body: bytes, place: int, count: int) -> tuple[int, int]:
    if place + count > len(body):
        raise TokenInvalid("The token is cut off.")
    return int.from_bytes(body[place : place + count], "little"), place + count
