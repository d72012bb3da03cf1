"""What a component is given as its database."""

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")

WAITING_HEAVY_READS: Final = 50
"""Heavy reads for the same one that wait at most."""


class DatabaseOutage(Exception):
    """The database cannot be reached, is full, or refused a write: try again later."""


class DatabaseDamaged(Exception):
    """The database cannot be read any more: it has to be restored from a backup."""


class Database(Protocol):
    """One component's tables, and transactions over them."""

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run `work` in one transaction and commit it.

        With `durable` the commit has reached the disk on return; otherwise only a later durable
        commit or `make_durable` promises so. Raises `DatabaseOutage` and `DatabaseDamaged`; other
        errors of the driver, and `work`'s own, roll back and pass through.
        """
        ...

    async def read(
        self,
        work: Callable[[Connection], T],
        *,
        heavy_for: str | None = None,
        begins_light: bool = False,
    ) -> T:
        """Run `work` in one read snapshot.

        Heavy work says for whom it is. It does not hold up the event loop as long as it keeps to
        its pace (`pace_of`), and those for whom it is done take turns. Raises `LimitExceeded`
        where too much of it waits for the same one.

        Work that `begins_light` counts as heavy only where it turns out to be, by the rows that it
        looks at. Then it may be done twice, so it must leave nothing behind where it fails.
        """
        ...

    async def make_durable(self) -> None:
        """Return when everything committed before the call has reached the disk."""
        ...

    async def erase_deleted(self) -> None:
        """Return when what was deleted or replaced before the call is in no file of SQLite's.

        On PostgreSQL it returns at once: vacuuming is the server's. Raises `DatabaseOutage`.
        """
        ...

    async def close(self) -> None:
        """Finish what runs and let go of the files or connections."""
        ...
