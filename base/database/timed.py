"""A database whose transactions are timed."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Final, TypeVar

from sqlalchemy.engine import Connection

from base.database.interface import Database, DatabaseOutage
from base.metrics import SHORT_SECONDS, Distribution, Family, Reading

T = TypeVar("T")

TRANSACTION_SECONDS: Final = Family(
    "xylem_database_transaction_seconds",
    "histogram",
    "Time of a transaction with its commit, and with waiting for a connection or for those before "
    "it; `access` is `read` or `write`.",
    ("component", "access"),
)
DATABASE_OUTAGES: Final = Family(
    "xylem_database_outages_total",
    "counter",
    "Transactions that ended because the database was away, full, or refused a write.",
    ("component",),
)
FAMILIES: Final = (TRANSACTION_SECONDS, DATABASE_OUTAGES)


class TimedDatabase:
    """A `Database` that counts what it lets through."""

    def __init__(
        self,
        component: str,
        database: Database,
        on_outage: Callable[[str, float], None] | None = None,
    ) -> None:
        """Take what to time; `on_outage` hears why each outage was, and after how many seconds."""
        self._on_outage = on_outage
        self._component = component
        self._database = database
        self._reads = Distribution(SHORT_SECONDS)
        self._writes = Distribution(SHORT_SECONDS)
        self._outages = 0

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run `work` in one transaction (`Database.write`)."""
        started = perf_counter()
        try:
            return await self._database.write(work, durable=durable)
        except DatabaseOutage as outage:
            self._note(outage, started)
            raise
        finally:
            self._writes.observe(perf_counter() - started)

    async def read(
        self,
        work: Callable[[Connection], T],
        *,
        heavy_for: str | None = None,
        begins_light: bool = False,
    ) -> T:
        """Run `work` in one read snapshot (`Database.read`)."""
        started = perf_counter()
        try:
            return await self._database.read(work, heavy_for=heavy_for, begins_light=begins_light)
        except DatabaseOutage as outage:
            self._note(outage, started)
            raise
        finally:
            self._reads.observe(perf_counter() - started)

    def _note(self, outage: DatabaseOutage, started: float) -> None:
        self._outages += 1
        if self._on_outage is not None:
            self._on_outage(f"{self._component}: {outage}", perf_counter() - started)

    async def make_durable(self) -> None:
        """Return when everything committed has reached the disk (`Database.make_durable`)."""
        await self._database.make_durable()

    async def erase_deleted(self) -> None:
        """Return when what was deleted is overwritten (`Database.erase_deleted`)."""
        await self._database.erase_deleted()

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    def readings(self) -> Iterator[Reading]:
        """Give the times of its transactions."""
        yield Reading(TRANSACTION_SECONDS, (self._component, "read"), self._reads)
        yield Reading(TRANSACTION_SECONDS, (self._component, "write"), self._writes)
        yield Reading(DATABASE_OUTAGES, (self._component,), self._outages)
