"""An API of the same process whose component is built later than the one that asks it."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar, cast

from internalapi.transport.signatures import method_names, protocol_class
from matrix.errors import Unavailable

P = TypeVar("P")


class LateApi(Generic[P]):
    """Stands for an object that is not there yet.

    `api` has the Protocol's methods. Each raises `Unavailable` until `connect` was called, and is
    the object's own method from then on: a call costs what it costs without this one.
    """

    def __init__(self, protocol: Callable[..., P]) -> None:
        """Take the Protocol. Raises `NotAnApi`."""
        definition = protocol_class(protocol)
        self._names: Final = method_names(definition)
        self._connected: P | None = None
        refusing = {name: staticmethod(self._waiting(name)) for name in self._names}
        self.api: Final = cast(P, type(f"Late{definition.__name__}", (), refusing)())

    def connect(self, api: P) -> None:
        """Let the object answer from now on."""
        self._connected = api
        for name in self._names:
            setattr(self.api, name, getattr(api, name))

    def _waiting(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def call(**arguments: Any) -> Any:
            # Who has taken the method before still comes through here.
            if self._connected is None:
                raise Unavailable("The component that answers this is not built yet.")
            return await getattr(self._connected, name)(**arguments)

        return call
