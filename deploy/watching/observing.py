"""What a running process shows of itself: probes for its keepers, numbers for Prometheus."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from base.clock import Clock
from base.database import Database, TimedDatabase
from base.http import Observer, Request, Response, Router, current_request_id, json_response
from base.metrics import HttpMetrics, Source, Sources
from deploy.settings import ObservingSettings
from deploy.watching.checks import (
    OK,
    Checks,
    check_of_database,
    check_of_disk,
    check_of_memory,
    check_of_reader,
)
from deploy.watching.outages import Outages
from deploy.watching.readiness import Readiness
from internalapi.transport import CallMetrics
from logs.consumer import Message
from logs.consumer.loop import Consumer
from logs.log import Log, LogOutage

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_access: Final = logging.getLogger("xylem.access")
_LAG_TIMEOUT_S: Final = 2.0
_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"


class TraceObserver(Protocol):
    """Hears of what happens to each request, to make traces of it (`deploy.watching.traces`)."""

    def observe_answer(
        self, method: str, template: str, status: int, seconds: float, asked: str, /
    ) -> None:
        """Hear of an answer."""
        ...

    def observe_call(self, api: str, method: str, outcome: str, seconds: float) -> None:
        """Hear of a call of another process."""
        ...

    def observe_append(self, topic: str, records: int, seconds: float, outage: str) -> None:
        """Hear of an append to the log."""
        ...

    def observe_batch(
        self, consumer: str, topic: str, messages: Sequence[Message[Any]], seconds: float
    ) -> None:
        """Hear of a batch of records."""
        ...


class Observing:
    """The metrics and checks of one process.

    Whoever puts a process together hands it each part: `log`, `database` (and uses what that
    returns), `consumer`, `sources`; and passes `calls` to its API clients, `observe` to its
    applications. Further dependencies go to `checks.add`.
    """

    def __init__(
        self,
        settings: ObservingSettings,
        readiness: Readiness,
        clock: Clock,
        traces: TraceObserver | None = None,
    ) -> None:
        self._settings = settings
        self._traces = traces
        self._readiness = readiness
        self._consumers: list[Consumer[Any]] = []
        self.checks: Final = Checks(clock)
        self.outages: Final = Outages()
        """Tells of what the process stands on; it runs as long as the process."""
        self.calls: Final = CallMetrics(None if traces is None else traces.observe_call)
        """Counts the calls of other processes."""
        self._sources = Sources()
        answers = HttpMetrics()
        observers: list[Observer] = [answers]
        if settings.access_log:
            observers.append(_tell)
        if traces is not None:
            observers.append(traces.observe_answer)
        self.observe: Final = _all_of(observers)
        """Hears of each answer of the process's applications."""
        self._sources.add(answers.readings)
        self._sources.add(self.calls.readings)
        self.checks.add("topics in memory", check_of_memory(self._sources))

    def log(self, log: Log) -> None:
        """Watch the log."""
        self._sources.add(log.readings)
        self.checks.add("log", log.check, is_ground=True)
        dependency, traces = self.outages.watch("log", log.check), self._traces

        def observe(topic: str, records: int, seconds: float, outage: str) -> None:
            if outage:
                dependency.missed(outage, seconds)
            if traces is not None:
                traces.observe_append(topic, records, seconds, outage)

        log.observe_appends(observe)

    def disks(self, folders: Mapping[str, Path]) -> None:
        """Watch the disks of these folders, which are there."""
        for name, folder in folders.items():
            check = check_of_disk(folder, min_free_bytes=max(self._settings.min_free_bytes, 1))
            self.checks.add(f"{name} disk", check)

    def database(self, component: str, database: Database) -> Database:
        """Watch a component's database; return the one that it is to use."""
        check = check_of_database(database)
        dependency = self.outages.watch("database", check)
        timed = TimedDatabase(component, database, dependency.missed)
        self._sources.add(timed.readings)
        self.checks.add(f"{component} database", check, is_ground=True)
        return timed

    def consumer(self, consumer: Consumer[Any]) -> None:
        """Watch a consumer."""
        self._consumers.append(consumer)
        self._sources.add(consumer.readings)
        if self._traces is not None:
            consumer.observe_batches(self._traces.observe_batch)
        self.checks.add(
            f"{consumer.name} {consumer.topic.name}",
            check_of_reader(consumer, max_lag_records=self._settings.max_lag_records),
        )

    def sources(self, sources: Iterable[Source]) -> None:
        """Show what a component has counted."""
        for source in sources:
            self._sources.add(source)

    @property
    def consumers(self) -> Sequence[Consumer[Any]]:
        """The consumers that are watched."""
        return self._consumers

    async def query_readiness(self) -> tuple[bool, Mapping[str, str]]:
        """Return whether the process can serve, and `OK` or what is wrong of all that it needs."""
        found = dict.fromkeys(self._readiness.missing, "It is not there yet.")
        found.update(await self.checks.look())
        is_well = all(one == OK for one in found.values())
        return is_well and not self._readiness.is_stopping, found

    def metrics_router(self) -> Router:
        """Return the route from which Prometheus reads."""
        router = Router()

        async def metrics(_request: Request) -> Response:
            await asyncio.gather(*map(_measure_lag, self._consumers))
            text = _process_metrics() + self._sources.exposition()
            return Response(text, content_type=_TEXT)

        router.add("GET", "/metrics", metrics)
        return router

    def health_router(self) -> Router:
        """Return the probes.

        `live` answers while the event loop turns. `ready` names all that the process needs, with
        `ok` or what is wrong, and answers 503 while something is missing.
        """
        router = Router()

        async def live(_request: Request) -> Response:
            return json_response({"live": True})

        async def ready(_request: Request) -> Response:
            if self._readiness.is_stopping:
                return json_response({"ready": False, "stopping": True}, status=503)
            is_ready, found = await self.query_readiness()
            return json_response(
                {"ready": is_ready, "checks": found}, status=200 if is_ready else 503
            )

        router.add("GET", "/health/live", live)
        router.add("GET", "/health/ready", ready)
        return router


def _process_metrics() -> bytes:
    """Return what the library knows of a process, in Prometheus' words."""
    # It costs a process memory that nobody who asks for no metrics needs.
    from prometheus_client import generate_latest  # noqa: PLC0415

    return generate_latest(_process_registry())


@cache
def _process_registry() -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry  # noqa: PLC0415
    from prometheus_client.platform_collector import PlatformCollector  # noqa: PLC0415
    from prometheus_client.process_collector import ProcessCollector  # noqa: PLC0415

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


async def _measure_lag(consumer: Consumer[Any]) -> None:
    try:
        async with asyncio.timeout(_LAG_TIMEOUT_S):
            await consumer.measure_lag()
    except (LogOutage, TimeoutError):
        # What was measured last is shown; the outage has metrics of its own.
        _access.debug("The lag cannot be measured", extra={"consumer": consumer.name})


def _all_of(observers: Sequence[Observer]) -> Observer:
    """Return an observer that lets all of these hear."""
    if len(observers) == 1:
        return observers[0]

    def observe(method: str, template: str, status: int, seconds: float, asked: str) -> None:
        for one in observers:
            one(method, template, status, seconds, asked)

    return observe


def _tell(method: str, template: str, status: int, seconds: float, asked: str) -> None:
    """Write a line per answer."""
    fields = {
        "request": current_request_id(),
        "method": method,
        "route": template,
        "status": status,
        "ms": round(seconds * 1000, 1),
    }
    if asked:
        fields["asked"] = asked
    _access.info("Answered", extra=fields)
