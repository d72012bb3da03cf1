"""Whether what a process depends on is there, looked at whenever a probe asks."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from base.clock import Clock
from base.database import Database
from base.metrics import Sources
from deploy.watching.readiness import OUTAGES
from internalapi.transport import ApiUnavailable
from logs import tail_reader
from logs.topics import Topic
from logs.unknown_records import UnknownRecord, advice
from matrix.errors import Unavailable

_log: Final = logging.getLogger(__name__)
_KEPT_S: Final = 1.0
_TIMEOUT_S: Final = 2.0
_CAUGHT_UP_RECORDS: Final = 500
_MIB: Final = 1024 * 1024
OK: Final = "ok"

Check: TypeAlias = Callable[[], Awaitable[None]]
"""Returns if all is well; raises `NotReady`, or what says that a dependency is away."""


class NotReady(Exception):
    """Something that the process needs is not there; says what, in words that anyone may read."""


class Checks:
    """The dependencies of a running process, by name.

        checks.add("log", log.check)
        checks.add("userapi", partial(calls.query_reached, "userapi"))
        await checks.look()  # {"log": "ok", "userapi": "It is away."}

    A look is remembered for a second, so that probes cost nothing however often they come.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._checks: dict[str, Check] = {}
        self._grounds: set[str] = set()
        self._told: dict[str, str] = {}
        self._found: Mapping[str, str] = {}
        self._looked_s = float("-inf")
        self._lock = asyncio.Lock()

    def add(
        self, name: str, check: Callable[[], Awaitable[Any]], *, is_ground: bool = False
    ) -> None:
        """Look at this, too.

        Of what others stand on, `deploy.watching.outages` tells; while that is away, nothing else
        is told.
        """
        self._checks[name] = check
        if is_ground:
            self._grounds.add(name)
        self._looked_s = float("-inf")

    async def look(self) -> Mapping[str, str]:
        """Return for each name `OK`, or what is wrong with it."""
        async with self._lock:
            if self._clock.monotonic_s() - self._looked_s >= _KEPT_S:
                results = await asyncio.gather(
                    *(self._ask(check) for check in self._checks.values())
                )
                self._found = {
                    name: found for name, (found, _) in zip(self._checks, results, strict=True)
                }
                if all(self._found[name] == OK for name in self._grounds):
                    self._tell(results)
                self._looked_s = self._clock.monotonic_s()
            return self._found

    def _tell(self, results: Sequence[tuple[str, str]]) -> None:
        """Write a line for each that has come or gone."""
        for name, (found, cause) in zip(self._checks, results, strict=True):
            is_there, was_there = found == OK, self._told.get(name, OK) == OK
            self._told[name] = found
            if is_there == was_there or name in self._grounds:
                continue
            message = "A dependency is there again" if is_there else "A dependency is not there"
            # Without a cause nothing is broken: partitions move, or records wait.
            level = logging.WARNING if cause else logging.INFO
            _log.log(level, message, extra={"what": name, "why": cause or found})

    async def _ask(self, check: Check) -> tuple[str, str]:
        """Return what is found, and of an outage its cause, which is for the log lines only."""
        cause = ""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await check()
            found = OK
        except NotReady as reason:
            found = str(reason)
        except TimeoutError:
            found = cause = "It does not answer."
        except (*OUTAGES, ApiUnavailable, Unavailable) as outage:
            found, cause = "It is away.", str(outage) or type(outage).__name__
        return found, cause


def check_of_disk(folder: Path, *, min_free_bytes: int) -> Check:
    """Return the check that the disk of a folder has so much room left, before writes fail."""

    async def check() -> None:
        try:
            found = await asyncio.to_thread(os.statvfs, folder)
        except OSError as error:
            raise NotReady(f"The disk cannot be looked at: {error.strerror}.") from error
        free = found.f_bavail * found.f_frsize
        if free < min_free_bytes:
            raise NotReady(f"The disk is full, or nearly: {free // _MIB} MiB are free.")
        # Some file systems count no files: both numbers are 0.
        if found.f_files and not found.f_favail:
            raise NotReady("The disk has room for no more files.")

    return check


def check_of_database(database: Database) -> Check:
    """Return the check that the database answers."""

    async def check() -> None:
        await database.read(lambda connection: connection.exec_driver_sql("SELECT 1").close())

    return check


class CheckedConsumer(Protocol):
    """A consumer, as far as readiness is concerned."""

    @property
    def topic(self) -> Topic[Any]:
        """Return the topic that it reads."""
        ...

    @property
    def unknown_records(self) -> Sequence[UnknownRecord]:
        """Return the records that it waits at, because it does not know their kinds."""
        ...

    @property
    def is_subscribed(self) -> bool:
        """Tell whether it has its share of the partitions."""
        ...

    async def measure_lag(self) -> Mapping[int, int]:
        """Return how far each partition that is owned here is behind."""
        ...


def check_of_memory(sources: Sources) -> Check:
    """Return the check that nothing that is kept in memory of topics stands still.

    All that reads beside the consumers shows its readings, so none can be left out.
    """

    async def check() -> None:
        for reading in sources.of(tail_reader.UNKNOWN_RECORDS):
            _, topic, partition, kind = reading.labels
            raise NotReady(advice(topic, partition, kind))

    return check


def check_of_reader(reader: CheckedConsumer, *, max_lag_records: int) -> Check:
    """Return the check that a consumer has its partitions, goes on, and is not far behind.

    Once it must have caught up; later it may be up to `max_lag_records` behind.
    """
    has_caught_up = False

    async def check() -> None:
        nonlocal has_caught_up
        for topic, partition, _, kind in reader.unknown_records:
            raise NotReady(advice(topic, str(partition), kind))
        if not reader.is_subscribed:
            raise NotReady("Partitions are not assigned yet.")
        behind = sum((await reader.measure_lag()).values())
        if behind > (max_lag_records if has_caught_up else _CAUGHT_UP_RECORDS):
            raise NotReady(f"It is {behind} records behind.")
        has_caught_up = True

    return check
