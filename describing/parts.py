"""What a component consists of in one process, in the one form that every process knows."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from base.http import Router
from base.metrics import Source
from logs.consumer.loop import Consumer
from logs.rebuilding.serving import ServingWatch

P = TypeVar("P")
Run: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""Works until it is cancelled."""


class ServedApi(NamedTuple):
    """An internal API with the object that answers it."""

    protocol: Callable[..., Any]
    """The Protocol class; type checkers let no abstract class pass as `type`."""
    api: Any
    held: Callable[[], Sequence[int]] | None = None
    """The partitions that this process has in memory, where replicas share them."""


class served(Generic[P]):  # noqa: N801 (it reads as a verb)
    """An API that an object answers, which type checkers compare: `served(Filters).by(filters)`."""

    def __init__(self, protocol: Callable[..., P]) -> None:
        self._protocol = protocol

    def by(self, api: P, held: Callable[[], Sequence[int]] | None = None) -> ServedApi:
        """Return the API with the object that answers it."""
        return ServedApi(self._protocol, api, held)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentParts:
    """All of a component that a process runs, serves, watches and ends; nothing is started yet."""

    router: Router | None = None
    """What clients reach."""
    operator_routers: Sequence[Callable[[], Any]] = ()
    """Each imports FastAPI and returns a router of it with what operators call."""
    apis: Sequence[ServedApi] = ()
    """What other components ask."""
    consumers: Sequence[Consumer[Any]] = ()
    """Each is run, watched, and asked what the log may drop."""
    tasks: Mapping[str, Run] = field(default_factory=dict)
    """What has to run besides, by names for the operator."""
    readings: Sequence[Source] = ()
    """What was counted, for metrics."""
    checks: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """What `/health/ready` asks (`deploy.watching.checks`)."""
    ready: Sequence[Callable[[], Awaitable[object]]] = ()
    """Each returns once requests can be served."""
    serving: ServingWatch | None = None
    """Runs, too: looks whether derived tables that are answered from were made again."""
    drain: Sequence[Callable[[], None]] = ()
    """Each lets those go who wait for something new: called first when the process stops."""
    close: Sequence[Callable[[], None]] = ()
    """Each frees what was taken: called last."""
