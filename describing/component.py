"""The record by which a component describes itself.

It says what all processes have to know of a component, whether they run it or not. So the module
which holds it imports nothing heavy: the component's own code is imported by what the record
names, when that is called.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from base.metrics import Family, Source
from describing.ground import Ground
from describing.parts import ComponentParts, Run
from describing.public_paths import PublicPath
from describing.tables import Keeps, Tables
from logs.topics import Topic


class StandIn(NamedTuple):
    """What answers an API in a process that does not run the component which serves it."""

    api: Any
    run: Run
    readings: Sequence[Source]
    """What was counted, for metrics."""


class InternalApi(NamedTuple):
    """An internal API that a component serves."""

    protocol: Callable[..., Any]
    """The Protocol class in `internalapi`."""
    shared_by: tuple[str, Topic[Any]] | None = None
    """An argument, and the topic whose partition of it says which replica has it in memory."""
    stand_in: Callable[[Ground], StandIn] | None = None
    """Makes what answers in other processes, instead of calls; it may ask what the component
    serves, and has the component's section of the settings."""


def _no_families() -> Sequence[Family]:
    return ()


def _no_capabilities(_section: Any) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A component as the rest of the server knows it."""

    name: str
    """Of its folder, its processes, its section of the settings and its consumers."""
    title: str
    """What people call it."""
    number: int
    """As a process of one machine, number 3 listens for clients on port 8103, for other components
    on 8203, and for probes and Prometheus on 8303. It never changes."""
    settings: type[msgspec.Struct]
    """Its section of the settings."""
    url_help: str
    """Who calls it, for those who set `internal.urls`."""
    serves: Sequence[InternalApi] = ()
    asks_at_start: Sequence[Callable[..., Any]] = ()
    """Protocols of others' APIs without which it is not started."""
    asks_later: Sequence[Callable[..., Any]] = ()
    """Protocols of others' APIs that may be away."""
    tables: Tables | None = None
    folder: str = ""
    """The folder of the data directory in which it keeps files, if it does."""
    consumes: Sequence[Topic[Any]] = ()
    """The topics of its consumers, which keep their positions in its tables."""
    public_paths: Sequence[PublicPath] = ()
    """What clients reach."""
    signs: bool = False
    """Whether it needs the server's key."""
    families: Callable[[], Sequence[Family]] = _no_families
    """Imports and returns the metrics that only this component has."""
    capabilities: Callable[[Any], Mapping[str, Any]] = _no_capabilities
    """What its section of the settings makes true at `/capabilities`."""
    not_rebuilt: str = ""
    """Why `xylem rebuild` has nothing to do for it, where its tables are not derived."""
    build: Callable[[Ground], Awaitable[ComponentParts]]
    """Puts it together; starts nothing."""

    @property
    def asks(self) -> Sequence[Callable[..., Any]]:
        """Protocols of others' APIs that it asks, whenever it does."""
        return (*self.asks_at_start, *self.asks_later)

    @property
    def keeps(self) -> Keeps | None:
        """What its tables are, if it has any."""
        return None if self.tables is None else self.tables.keeps
