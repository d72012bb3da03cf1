"""What a process has for the components that it builds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from base.clock import Clock
from base.database import Database, Schema
from deploy.settings import Settings
from deploy.wiring.processed import Processed
from describing.catalogue import Catalogue, CatalogueWrong
from describing.component import Component, InternalApi, StandIn
from describing.ground import ServerFacts
from describing.parts import ServedApi
from internalapi.transport import LateApi, Shares
from logs.consumer.partition import OnProcessed
from logs.log import Log
from logs.processed_inputs import ProcessedInputs
from matrix.signing import SigningKey

if TYPE_CHECKING:
    from deploy.wiring.internal_calls import InternalCalls

P = TypeVar("P")
S = TypeVar("S", bound=msgspec.Struct)


class OpenDatabase(Protocol):
    """Opens a component's database, which the process closes."""

    async def __call__(self, schema: Schema, *, durable: bool = False) -> Database:
        """Return the database; one that no log can rebuild is `durable`."""
        ...


@dataclass(frozen=True, slots=True)
class ProcessGround:
    """What all components of a process stand on."""

    settings: Settings
    log: Log
    clock: Clock
    open_database: OpenDatabase
    key: SigningKey | None = None
    """Where a component signs."""
    calls: "InternalCalls | None" = None
    """Where components of other processes are asked."""


@dataclass(slots=True)
class Asking:
    """Who answers what the components of a process ask: an object here, or calls of another one."""

    ground: ProcessGround
    catalogue: Catalogue
    names: Sequence[str]
    """Of the components in this process."""
    server: ServerFacts
    processed: Processed
    stand_ins: dict[str, StandIn] = field(default_factory=dict)
    """What answers here for components of other processes, by the names of the APIs."""
    _built: dict[Any, Any] = field(default_factory=dict)
    _late: dict[Any, LateApi[Any]] = field(default_factory=dict)

    def built(self, apis: Sequence[ServedApi]) -> None:
        """Let these objects answer from now on."""
        for one in apis:
            self._built[one.protocol] = one.api
            late = self._late.pop(one.protocol, None)
            if late is not None:
                late.connect(one.api)

    def api(self, protocol: Callable[..., P]) -> P:
        """Return what answers."""
        if protocol in self._built:
            found: P = self._built[protocol]
            return found
        server, api = self.catalogue.server_of(protocol)
        if server.name not in self.names:
            return self._elsewhere(server, api, protocol)
        if protocol not in self._late:
            self._late[protocol] = LateApi(protocol)
        late: LateApi[P] = self._late[protocol]
        return late.api

    def _elsewhere(self, server: Component, api: InternalApi, protocol: Callable[..., P]) -> P:
        if api.stand_in is not None:
            name = protocol.__name__
            if name not in self.stand_ins:
                asker = ComponentGround(self, server, [one.protocol for one in server.serves])
                self.stand_ins[name] = api.stand_in(asker)
            found: P = self.stand_ins[name].api
            return found
        if self.ground.calls is None:
            raise RuntimeError(f"{server.name} is in another process, and no calls were given.")
        return self.ground.calls.api(server.name, protocol, _shares(api, self.ground.log))


def _shares(api: InternalApi, log: Log) -> Shares | None:
    """Return what learns which replica has what in memory, where replicas share it."""
    if api.shared_by is None:
        return None
    argument, topic = api.shared_by
    return Shares(argument, partial(log.partition_of, topic.name))


@dataclass(frozen=True, slots=True)
class ComponentGround:
    """What one component is built on (`describing.ground.Ground`)."""

    asking: Asking
    component: Component
    asks: Sequence[Callable[..., Any]]
    """Which APIs it may ask."""

    @property
    def server(self) -> ServerFacts:
        """What is the same in every process."""
        return self.asking.server

    @property
    def log(self) -> Log:
        """The log."""
        return self.asking.ground.log

    @property
    def clock(self) -> Clock:
        """The clock."""
        return self.asking.ground.clock

    @property
    def key(self) -> SigningKey:
        """The server's key."""
        key = self.asking.ground.key
        if key is None:
            raise RuntimeError(f"{self.component.name} does not say that it signs.")
        return key

    def section(self, kind: type[S]) -> S:
        """Return the component's own section of the settings."""
        if kind is not self.component.settings:
            raise RuntimeError(f"{kind.__name__} are not the settings of {self.component.name}.")
        return self.asking.ground.settings.section(kind)

    @property
    def folder(self) -> Path:
        """The folder for the component's files."""
        if not self.component.folder:
            raise RuntimeError(f"{self.component.name} does not say that it keeps files.")
        return Path(self.asking.ground.settings.data_dir).resolve() / self.component.folder

    async def open_database(self, schema: Schema, *, durable: bool = False) -> Database:
        """Return a database of the component, which the process closes."""
        return await self.asking.ground.open_database(schema, durable=durable)

    def ask(self, protocol: Callable[..., P]) -> P:
        """Return an internal API that the component says that it asks."""
        if protocol not in self.asks:
            raise CatalogueWrong(f"{self.component.name} does not say that it asks {protocol}.")
        return self.asking.api(protocol)

    def hear_processed(self) -> ProcessedInputs:
        """Return where this process hears how far consumers are."""
        return self.asking.processed.hear(self.component.name)

    def tell_processed(self) -> OnProcessed:
        """Return what lets those hear who wait for a consumer of this process."""
        return self.asking.processed.tell()
