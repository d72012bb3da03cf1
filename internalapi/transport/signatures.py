"""What a Protocol class says of its API: the methods with their arguments and results."""

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, get_type_hints

import msgspec

from internalapi.transport.codec import Decoder
from internalapi.transport.wire import PATH_PREFIX


class NotAnApi(TypeError):
    """The class cannot be carried: it has something that does not cross processes."""


class Method:
    """One method of an API and how its arguments and result travel."""

    __slots__ = ("arguments", "decode_arguments", "decode_result", "is_query", "name", "parameters")

    def __init__(self, protocol: type[Any], name: str) -> None:
        function = getattr(protocol, name)
        where = f"{protocol.__qualname__}.{name}"
        if not inspect.iscoroutinefunction(function):
            raise NotAnApi(f"{where} is not an async method")
        hints = get_type_hints(function)
        if "return" not in hints:
            raise NotAnApi(f"{where} does not say what it returns")
        self.name = name
        # A query changes nothing: it may be asked again if its connection broke.
        self.is_query = name.startswith("query_")
        fields = [_field(where, one, hints) for one in _parameters(function)]
        self.parameters = tuple(field[0] for field in fields)
        self.arguments = msgspec.defstruct(name, fields, kw_only=True, omit_defaults=True)
        try:
            self.decode_arguments = Decoder[Any](self.arguments).decode
            self.decode_result = Decoder[Any](hints["return"]).decode
        except TypeError as error:
            raise NotAnApi(f"{where}: {error}") from error


def _parameters(function: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())[1:]


def _field(
    where: str, parameter: inspect.Parameter, hints: dict[str, Any]
) -> tuple[str, Any] | tuple[str, Any, Any]:
    name = parameter.name
    if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        raise NotAnApi(f"{where}: the parameter {name} is not keyword-only")
    if name not in hints:
        raise NotAnApi(f"{where}: the parameter {name} has no type")
    if parameter.default is inspect.Parameter.empty:
        return name, hints[name]
    return name, hints[name], parameter.default


def protocol_class(protocol: Callable[..., Any]) -> type[Any]:
    """Return the Protocol class that was given, or raise `NotAnApi`.

    The parameter is no `type[Any]`, because type checkers let no abstract class pass as that.
    """
    if isinstance(protocol, type) and getattr(protocol, "_is_protocol", False):
        return protocol
    raise NotAnApi(f"{protocol} is not a Protocol class")


def _definitions(protocol: type[Any]) -> list[type[Any]]:
    """Return the Protocol classes that a Protocol consists of, itself first."""
    return [one for one in protocol.__mro__ if one not in (object, Protocol, Generic)]


def method_names(protocol: type[Any]) -> list[str]:
    """Return the names of a Protocol's public methods."""
    names = {
        name: None
        for one in _definitions(protocol)
        for name, member in vars(one).items()
        if not name.startswith("_") and callable(member)
    }
    return list(names)


def methods(protocol: type[Any]) -> dict[str, Method]:
    """Return the public methods of a Protocol by name. Raises `NotAnApi`."""
    return {name: Method(protocol, name) for name in method_names(protocol)}


def path(protocol: type[Any], method: str) -> str:
    """Return the path at which a method is served."""
    module = protocol.__module__.rpartition(".")[2]
    return f"{PATH_PREFIX}{module}/{protocol.__qualname__}/{method}"


def declared_errors(protocol: type[Any]) -> Iterator[type[Exception]]:
    """Give the exception classes that stand beside a Protocol in its module."""
    for one in _definitions(protocol):
        for member in vars(sys.modules[one.__module__]).values():
            if isinstance(member, type) and issubclass(member, Exception):
                yield member
