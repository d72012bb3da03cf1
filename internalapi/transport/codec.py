"""How arguments and results travel: msgpack, typed, with events as their own JSON."""

from typing import Any, Final, Generic, TypeVar

import msgspec

from matrix.events import Event, load_event
from matrix.room_versions import room_version

T = TypeVar("T")

_LARGE_INTEGER: Final = 1
"""The extension type of integers over 64 bits, as decimal digits: JSON may hold such."""
_MAX_DIGITS: Final = 4000


class Undecodable(Exception):
    """The bytes are not what the type says."""


def _encode_other(value: Any) -> Any:
    if type(value) is Event:
        return (value.raw, value.room_version.identifier, value.event_id)
    raise NotImplementedError(f"{type(value).__qualname__} does not cross internal APIs")


def decode_other(kind: type[Any], value: Any) -> Any:
    """Make what msgspec does not know of itself: events."""
    if kind is Event:
        raw, version, event_id = value
        return load_event(raw, room_version(version), event_id)
    raise NotImplementedError(f"{kind.__qualname__} does not cross internal APIs")


def _decode_extension(code: int, data: memoryview) -> Any:
    if code != _LARGE_INTEGER or len(data) > _MAX_DIGITS:
        raise ValueError("unknown extension")
    return int(bytes(data))


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_encode_other)


def encode(value: Any) -> bytes:
    """Return a value's bytes."""
    try:
        return _encoder.encode(value)
    except OverflowError:
        plain = msgspec.to_builtins(value, builtin_types=(bytes,), enc_hook=_encode_other)
        return _encoder.encode(_with_large_integers(plain))


def _with_large_integers(value: Any) -> Any:
    if type(value) is dict:
        return {key: _with_large_integers(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_with_large_integers(item) for item in value]
    if type(value) is int and not -(2**63) <= value < 2**64:
        return msgspec.msgpack.Ext(_LARGE_INTEGER, str(value).encode())
    return value


class Decoder(Generic[T]):
    """Decodes values of one type."""

    __slots__ = ("_decode",)

    def __init__(self, kind: Any) -> None:
        self._decode = msgspec.msgpack.Decoder(
            kind, dec_hook=decode_other, ext_hook=_decode_extension
        ).decode

    def decode(self, data: bytes) -> T:
        """Return the value, or raise `Undecodable`."""
        try:
            value: T = self._decode(data)
        except Exception as error:
            raise Undecodable(str(error)) from error
        return value
