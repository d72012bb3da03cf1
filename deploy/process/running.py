"""The life of a server process: it waits for what it needs, serves, and drains."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from base.clock import SystemClock
from base.database import Database, Schema
from base.http import (
    OrdinaryRoutes,
    Router,
)
from base.tasks import TaskEnded, Tasks
from base.tasks import run as run_event_loop
from deploy.catalogue import CATALOGUE
from deploy.errors import StartRefused
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.process.erasing import Eraser
from deploy.process.listeners import Announce, Listeners
from deploy.process.long_life import (
    keep_files_private,
    reload_signal,
    stop_or_failure,
    stop_signals,
    tune,
)
from deploy.process.lost_records import require_records
from deploy.process.trimming import Trimmer
from deploy.settings import Api, Settings
from deploy.settings.secret_files import secret_of
from deploy.version import version
from deploy.watching.observing import Observing
from deploy.watching.readiness import Readiness
from deploy.wiring.building import Components, built
from deploy.wiring.ground import ProcessGround
from deploy.wiring.other_processes import internal_secret
from internalapi.process import Process, ProcessStatus
from internalapi.transport import api_router
from logs.embedded import EmbeddedLog

if TYPE_CHECKING:
    from deploy.wiring.internal_calls import InternalCalls

_log: Final = logging.getLogger(__name__)

_OBSERVING: Final[frozenset[Api]] = frozenset({"health", "metrics"})


class BeginAnew(Exception):
    """Tables that this process answers from were made again: it has to open the new ones."""


class Server:
    """A process that runs some components, or all."""

    def __init__(
        self,
        settings: Settings,
        directory: DataDirectory,
        names: Collection[str],
        announce: Announce,
        *,
        is_patient: bool,
    ) -> None:
        """Take what to run; `announce` is told of each listener and its URL once it serves.

        A patient process waits for what is away, any other refuses the start.
        """
        self._settings = settings
        self._directory = directory
        self._names = names
        self._is_patient = is_patient
        self._readiness = Readiness(is_patient=is_patient)
        traces = settings.observing.traces
        self._traces = None if traces is None else starting.traces(traces, [*names])
        self._observing = Observing(
            settings.observing, self._readiness, SystemClock(), traces=self._traces
        )
        self._ready_at_s = time.monotonic()
        self._stack = contextlib.AsyncExitStack()
        self._listeners = Listeners(settings, self._observing.observe, announce, self._stack)
        self._databases: list[Database] = []
        self._schemas: list[Schema] = []

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises `StartRefused`, `BeginAnew`, and `TaskEnded` when a part fails that the process
        cannot do without.
        """
        async with self._stack:
            if self._traces is not None:
                self._stack.push_async_callback(asyncio.to_thread, self._traces.close)
            stop = self._stack.enter_context(stop_signals())
            if any(one.tls for one in self._settings.listeners):
                self._stack.enter_context(reload_signal(self._listeners.reload_certificates))
            start = asyncio.create_task(self._start())
            stopped = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait([start, stopped], return_when=asyncio.FIRST_COMPLETED)
                if start.done():
                    await _run_on(stop, *await start)
                _log.info("The server stops")
            finally:
                self._readiness.stopping()
                start.cancel()
                stopped.cancel()
                await asyncio.gather(start, stopped, return_exceptions=True)
        _log.info("The server has stopped")

    async def _start(self) -> tuple[Tasks, Components]:
        """Return what runs once all is served."""
        settings, readiness, stack = self._settings, self._readiness, self._stack
        routers: dict[Api, Sequence[Router]] = {
            "metrics": [self._observing.metrics_router()],
            "health": [self._observing.health_router()],
        }
        # Whoever watches a process that waits for others finds it alive.
        early = [
            one for one in settings.listeners if self._is_patient and {*one.apis} <= _OBSERVING
        ]
        await self._listeners.serve(early, routers)

        ground = await self._ground()
        components = await stack.enter_async_context(built(ground, CATALOGUE, self._names))
        self._observing.disks(self._directory.folders())
        await require_records(
            readiness, components.consumers(), partial(_require_tables, components)
        )
        components.watch(self._observing)
        tasks = await stack.enter_async_context(Tasks())
        tasks.start("outages", self._observing.outages.run())
        # A disk that failed under the log ends the process: what was not written is in doubt until
        # the files are read again.
        tasks.start("log", ground.log.watch())
        components.start(tasks)
        self._keep_small(tasks, ground, components)
        await components.wait_ready()

        routers["client"] = [*components.client_routers().values()]
        if any("internal" in listener.apis for listener in settings.listeners):
            secret = internal_secret(settings.internal)
            process: Process = self
            routers["internal"] = [
                *components.internal_routers(secret),
                api_router(Process, process, secret=secret),
            ]
        late = [one for one in settings.listeners if one not in early]
        await self._listeners.serve(late, routers, self._operators_routes(components))
        stack.callback(components.drain)
        tune()
        self._ready_at_s = time.monotonic()
        readiness.started()
        _log.info("Ready", extra={"components": ",".join(self._names)})
        return tasks, components

    def _keep_small(self, tasks: Tasks, ground: ProcessGround, components: Components) -> None:
        """Let the log and the databases give back what nobody needs."""
        settings, log, consumers = self._settings, ground.log, components.consumers()
        # Kafka drops by itself; the embedded log is in the process of all its readers.
        if isinstance(log, EmbeddedLog):
            trimmer = Trimmer(log, consumers, ground.clock, settings.log.retentions)
            self._observing.sources((trimmer.readings,))
            tasks.start("trimmer", trimmer.run(settings.log.trim_interval_s))
        eraser = Eraser(consumers, self._databases)
        tasks.start("eraser", eraser.run(settings.database.erase_interval_s))

    async def _ground(self) -> ProcessGround:
        settings, readiness, clock = self._settings, self._readiness, SystemClock()
        signs = any(CATALOGUE.named(name).signs for name in self._names)
        key = starting.signing_key(self._directory) if signs else None
        log = await self._stack.enter_async_context(
            starting.log(self._directory, settings, clock, readiness)
        )
        self._observing.log(log)
        calls = await self._calls() if CATALOGUE.asked_elsewhere(self._names) else None
        return ProcessGround(settings, log, clock, self._open_database, key, calls)

    async def _calls(self) -> "InternalCalls":
        """Return the calls of other processes, once those are there that have to be."""
        # The client's HTTP library costs memory that a process which asks nobody does without.
        from deploy.wiring.internal_calls import internal_calls  # noqa: PLC0415

        calls = await self._stack.enter_async_context(
            internal_calls(self._settings.internal, self._observing.calls)
        )
        for component in sorted(CATALOGUE.asked_at_start(self._names)):
            reached = partial(calls.query_reached, component)
            await self._readiness.wait_for(component, reached)
            self._observing.checks.add(component, reached)
        return calls

    async def _open_database(self, schema: Schema, *, durable: bool = False) -> Database:
        may_migrate = self._settings.database.migrate_at_start
        opened = await self._stack.enter_async_context(
            starting.database(
                self._directory, schema, self._readiness, durable=durable, may_migrate=may_migrate
            )
        )
        self._databases.append(opened)
        self._schemas.append(schema)
        return self._observing.database(schema.name, opened)

    def _operators_routes(self, components: Components) -> OrdinaryRoutes | None:
        """Return what operators call, if a listener serves it."""
        if not any("operators" in one.apis for one in self._settings.listeners):
            return None
        # FastAPI costs time and memory that other processes are spared.
        from deploy.process.operators import WatchedProcess, operators_routes  # noqa: PLC0415

        given = self._settings.operators
        watched = WatchedProcess(self, self._observing, self._directory.folders(), self._schemas)
        return operators_routes(
            watched,
            components.operator_routers(),
            secret=secret_of(given.token, given.token_path, "operators.token"),
        )

    async def query_status(self) -> ProcessStatus:
        """Return how this process is (`internalapi.process.Process`)."""
        return ProcessStatus(
            components=list(self._names),
            version=version(),
            uptime_s=time.monotonic() - self._ready_at_s,
            is_stopping=self._readiness.is_stopping,
        )


async def _run_on(stop: asyncio.Event, tasks: Tasks, components: Components) -> None:
    """Return when the process is told to stop. Raises `BeginAnew` and `TaskEnded`."""
    ended = asyncio.create_task(stop_or_failure(stop, tasks))
    replaced = asyncio.create_task(components.wait_replaced())
    try:
        await asyncio.wait([ended, replaced], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            raise BeginAnew
        ended.result()
    finally:
        ended.cancel()
        replaced.cancel()
        await asyncio.wait([ended, replaced])


async def _require_tables(components: Components) -> None:
    """Raise `BeginAnew` if tables that these components answer from were made again."""
    if await components.query_replaced():
        raise BeginAnew


def run_to_the_end(make_server: Callable[[], Server]) -> None:
    """Run servers, one after another, until the process is told to stop. Raises `StartRefused`."""
    keep_files_private()
    try:
        while True:
            try:
                run_event_loop(make_server().run())
            except BeginAnew:
                _log.info("Tables were made again: the server starts with them")
            else:
                return
    except TaskEnded as ended:
        raise StartRefused(
            f"The server has ended, because its part '{ended}' failed: {ended.__cause__}",
            "The log lines above say more.",
        ) from ended
