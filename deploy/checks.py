"""Whether what a process depends on is there, looked at whenever a probe asks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

from base.clock import Clock
from base.database import Database
from deploy.readiness import OUTAGES
from internalapi.transport import ApiUnavailable
from logs.log import Log
from logs.topics import Topic
from matrix.errors import Unavailable

_log: Final = logging.getLogger(__name__)
_KEPT_S: Final = 1.0
_TIMEOUT_S: Final = 2.0
_CAUGHT_UP_RECORDS: Final = 500
OK: Final = "ok"

Check: TypeAlias = Callable[[], Awaitable[None]]
"""Returns if all is well; raises `NotReady`, or what says that a dependency is away."""


class NotReady(Exception):
    """Something that the process needs is not there; says what, in words that anyone may read."""


class Checks:
    """The dependencies of a running process, by name.

        checks.add("log", check_of_log(log))
        checks.add("userapi", partial(calls.query_reached, "userapi"))
        await checks.look()  # {"log": "ok", "userapi": "It is away."}

    A look is remembered for a second, so that probes cost nothing however often they come.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._checks: dict[str, Check] = {}
        self._found: Mapping[str, str] = {}
        self._looked_s = float("-inf")
        self._lock = asyncio.Lock()

    def add(self, name: str, check: Callable[[], Awaitable[Any]]) -> None:
        """Look at this, too."""
        self._checks[name] = check
        self._looked_s = float("-inf")

    async def look(self) -> Mapping[str, str]:
        """Return for each name `OK`, or what is wrong with it."""
        async with self._lock:
            if self._clock.monotonic_s() - self._looked_s >= _KEPT_S:
                results = await asyncio.gather(
                    *(self._ask(name, check) for name, check in self._checks.items())
                )
                self._found = dict(zip(self._checks, results, strict=True))
                self._looked_s = self._clock.monotonic_s()
            return self._found

    async def _ask(self, name: str, check: Check) -> str:
        cause = ""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await check()
            found = OK
        except NotReady as reason:
            found = str(reason)
        except TimeoutError:
            found = "It does not answer."
        except (*OUTAGES, ApiUnavailable, Unavailable) as outage:
            # Addresses and the like are for the log lines only.
            found, cause = "It is away.", str(outage)
        if (found == OK) != (self._found.get(name, OK) == OK):
            _log.log(
                logging.INFO if found == OK else logging.WARNING,
                "A dependency is there again" if found == OK else "A dependency is not there",
                extra={"what": name, "why": cause or found},
            )
        return found


def check_of_log(log: Log) -> Check:
    """Return the check that the log takes and gives records."""
    return log.check


def check_of_database(database: Database) -> Check:
    """Return the check that the database answers."""

    async def check() -> None:
        await database.read(lambda connection: connection.exec_driver_sql("SELECT 1").close())

    return check


class Reader(Protocol):
    """A consumer, as far as readiness is concerned."""

    @property
    def topic(self) -> Topic[Any]:
        """Return the topic that it reads."""
        ...

    @property
    def is_subscribed(self) -> bool:
        """Tell whether it has its share of the partitions."""
        ...

    async def measure_lag(self) -> Mapping[int, int]:
        """Return how far each partition that is owned here is behind."""
        ...


def check_of_reader(reader: Reader, *, max_lag_records: int) -> Check:
    """Return the check that a consumer has its partitions and is not far behind.

    Once it must have caught up; later it may be up to `max_lag_records` behind.
    """
    has_caught_up = False

    async def check() -> None:
        nonlocal has_caught_up
        if not reader.is_subscribed:
            raise NotReady("Partitions are not assigned yet.")
        behind = sum((await reader.measure_lag()).values())
        if behind > (max_lag_records if has_caught_up else _CAUGHT_UP_RECORDS):
            raise NotReady(f"It is {behind} records behind.")
        has_caught_up = True

    return check
