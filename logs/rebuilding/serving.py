"""Notices when the tables that a process answers from were made again."""

import asyncio
from typing import Final, NamedTuple

from base.database import Database, DatabaseOutage
from base.tasks import to_its_end
from logs.rebuilding.copies import select_serving

_LOOK_S: Final = 1.0


class ServingCopy(NamedTuple):
    """The copy of the tables that this process answers from."""

    rebuilds: Database
    """Where it is said which one serves, opened with the reader's `rebuilds_schema`."""
    copy: int


class ServingWatch:
    """Looks every second whether the copy that this process answers from still serves."""

    def __init__(self, serving: ServingCopy) -> None:
        self._serving: Final = serving
        self.replaced: Final = asyncio.Event()
        """Set when the tables were made again: this process has to begin again, with the new ones.
        """

    async def query_replaced(self) -> bool:
        """Return whether the tables were made again, from the database."""
        return self._serving.copy != await self._serving.rebuilds.read(select_serving)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                is_replaced = await to_its_end(self.query_replaced())
            except DatabaseOutage:
                continue  # nobody can be answered wrongly now
            if is_replaced:
                self.replaced.set()
