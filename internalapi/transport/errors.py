"""How errors travel: by their declared names, with their fields, and raised as the same type.

ApiUnavailable          503, the other side cannot be reached, or broke off: try again
├── ApiSecretRefused    the two sides have different secrets
└── ApiMismatch         the two sides do not understand each other: different versions
InternalError           500, a bug on the other side, logged there
"""

from collections.abc import Iterable
from typing import Any, Final, get_type_hints

import msgspec

import matrix.errors
from internalapi.deadlines import DeadlineExceeded
from internalapi.transport.codec import Decoder, Undecodable, decode_other, encode
from internalapi.transport.signatures import declared_errors
from matrix.errors import MatrixError, Unavailable


class ApiUnavailable(Unavailable):
    """Another part of the server cannot be reached: try again."""


class ApiSecretRefused(ApiUnavailable):
    """Another part of the server refuses the shared secret."""


class ApiMismatch(ApiUnavailable):
    """Another part of the server speaks another version of the internal API."""


class InternalError(Exception):
    """Another part of the server failed in a way that it did not foresee."""


class ErrorRecord(msgspec.Struct, array_like=True):
    """An exception on its way."""

    name: str
    arguments: list[Any]
    attributes: dict[str, Any]


_decoder: Final = Decoder[ErrorRecord](ErrorRecord)


class ErrorTypes:
    """The exception types that cross one API: the spec's, and those declared beside it.

    An exception carries its `args` and attributes. Those that are not JSON values keep their type
    if the class annotates them.
    """

    def __init__(self, protocol: type[Any]) -> None:
        known: list[type[Exception]] = [
            *_exceptions(vars(matrix.errors).values()),
            DeadlineExceeded,
            ApiUnavailable,
            ApiSecretRefused,
            ApiMismatch,
            InternalError,
            *declared_errors(protocol),
        ]
        self._names = {kind: f"{kind.__module__}.{kind.__qualname__}" for kind in known}
        self._kinds = {name: kind for kind, name in self._names.items()}
        self._hints = {kind: get_type_hints(kind) for kind in known}

    def carries(self, error: Exception) -> bool:
        """Whether the error, or the type that it is a kind of, is declared."""
        return any(kind in self._names for kind in type(error).__mro__)

    def encode(self, error: Exception) -> bytes:
        """Return the bytes of an error that is carried.

        A subclass of a declared error that is not declared itself crosses as the nearest one.
        """
        name = next(self._names[kind] for kind in type(error).__mro__ if kind in self._names)
        attributes = {key: value for key, value in vars(error).items() if not key.startswith("__")}
        return encode(ErrorRecord(name, list(error.args), attributes))

    def decode(self, data: bytes) -> Exception:
        """Return the error, ready to raise; `ApiMismatch` for one that is not known here."""
        try:
            record = _decoder.decode(data)
        except Undecodable as error:
            return ApiMismatch(f"An error cannot be read: {error}")
        kind = self._kinds.get(record.name)
        if kind is None:
            return ApiMismatch(f"The error {record.name} is not known here.")
        # As for pickled exceptions: made without __init__, whose parameters are its own affair.
        rebuilt: Exception = kind.__new__(kind)
        rebuilt.args = tuple(record.arguments)
        hints = self._hints[kind]
        try:
            for name, value in record.attributes.items():
                hint = hints.get(name)
                setattr(rebuilt, name, value if hint is None else _convert(value, hint))
        except (msgspec.ValidationError, AttributeError) as error:
            return ApiMismatch(f"The error {record.name} has other fields here: {error}")
        return rebuilt


def _convert(value: Any, hint: Any) -> Any:
    return msgspec.convert(value, hint, dec_hook=decode_other)


def _exceptions(members: Iterable[Any]) -> Iterable[type[Exception]]:
    return [
        member for member in members if isinstance(member, type) and issubclass(member, MatrixError)
    ]


def status_of(error: Exception) -> int:
    """Return the HTTP status that says the same as an error."""
    return error.status if isinstance(error, MatrixError) else 500
