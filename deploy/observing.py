"""What a running process shows of itself: probes for its keepers, numbers for Prometheus."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from base.clock import Clock
from base.database import Database, TimedDatabase
from base.http import Observer, Request, Response, Router, current_request_id, json_response
from base.metrics import HttpMetrics, Source, Sources
from deploy.checks import (
    OK,
    Checks,
    check_of_database,
    check_of_log,
    check_of_reader,
)
from deploy.readiness import Readiness
from deploy.settings import ObservingSettings
from internalapi.transport import CallMetrics
from logs.consumer_loop import Consumer
from logs.log import Log, LogOutage

_access: Final = logging.getLogger("xylem.access")
_LAG_TIMEOUT_S: Final = 2.0
_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"


class Observing:
    """The metrics and checks of one process.

    Whoever puts a process together hands it each part: `log`, `database` (and uses what that
    returns), `consumer`, `sources`; and passes `calls` to its API clients, `observe` to its
    applications. Further dependencies go to `checks.add`.
    """

    def __init__(self, settings: ObservingSettings, readiness: Readiness, clock: Clock) -> None:
        self._settings = settings
        self._readiness = readiness
        self._consumers: list[Consumer[Any]] = []
        self.checks: Final = Checks(clock)
        self.calls: Final = CallMetrics()
        """Counts the calls of other processes."""
        self._process = _process_registry()
        self._sources = Sources()
        answers = HttpMetrics()
        self.observe: Final = _with_access_log(answers, is_on=settings.access_log)
        """Hears of each answer of the process's applications."""
        self._sources.add(answers.readings)
        self._sources.add(self.calls.readings)

    def log(self, log: Log) -> None:
        """Watch the log."""
        self._sources.add(log.readings)
        self.checks.add("log", check_of_log(log))

    def database(self, component: str, database: Database) -> Database:
        """Watch a component's database; return the one that it is to use."""
        timed = TimedDatabase(component, database)
        self._sources.add(timed.readings)
        self.checks.add(f"{component} database", check_of_database(database))
        return timed

    def consumer(self, consumer: Consumer[Any]) -> None:
        """Watch a consumer."""
        self._consumers.append(consumer)
        self._sources.add(consumer.readings)
        self.checks.add(
            f"{consumer.name} {consumer.topic.name}",
            check_of_reader(consumer, max_lag_records=self._settings.max_lag_records),
        )

    def sources(self, sources: Iterable[Source]) -> None:
        """Show what a component has counted."""
        for source in sources:
            self._sources.add(source)

    def metrics_router(self) -> Router:
        """Return the route from which Prometheus reads."""
        router = Router()

        async def metrics(_request: Request) -> Response:
            await asyncio.gather(*map(_measure_lag, self._consumers))
            text = generate_latest(self._process) + self._sources.exposition()
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
            found = dict.fromkeys(self._readiness.missing, "It is not there yet.")
            found.update(await self.checks.look())
            is_ready = all(one == OK for one in found.values())
            return json_response(
                {"ready": is_ready, "checks": found}, status=200 if is_ready else 503
            )

        router.add("GET", "/health/live", live)
        router.add("GET", "/health/ready", ready)
        return router


def _process_registry() -> CollectorRegistry:
    """Return a registry with the numbers of this process: memory, CPU, open files."""
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


def _with_access_log(observe: Observer, *, is_on: bool) -> Observer:
    """Return an observer that writes a line per answer, too, if that is wanted."""
    if not is_on:
        return observe

    def observe_and_tell(method: str, template: str, status: int, seconds: float) -> None:
        observe(method, template, status, seconds)
        fields = {
            "request": current_request_id(),
            "method": method,
            "route": template,
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        _access.info("Answered", extra=fields)

    return observe_and_tell
