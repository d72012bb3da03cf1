"""What the stores leave to be announced."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeVar

from base.database import Connection, Database
from logs.announcing import AnnouncedTopic
from logs.announcing.announcements import Announcements
from logs.log import Log
from logs.records.client_data import AccountStatusChanged, OutputClientData, TokensRevoked

R = TypeVar("R")

_REVOKES: Final = ContextVar("revokes", default=False)
"""Whether the transaction under way has put what memories of tokens have to hear of."""


class ClientDataAnnouncements(Announcements[OutputClientData]):
    """Those of OutputClientData, where what is revoked outlasts the memories of it."""

    def __init__(
        self,
        announced: AnnouncedTopic[OutputClientData],
        database: Database,
        log: Log,
        *,
        timeout_s: float,
        lease_s: float,
    ) -> None:
        """Take besides for how long tokens may be remembered that were revoked (`Revocations`)."""
        super().__init__(announced, database, log, timeout_s=timeout_s)
        self._lease_s: Final = lease_s

    async def write(self, work: Callable[[Connection], R]) -> R:
        """Do as said there; where tokens or rights were revoked, return when no process has them.

        Who need not wait for that uses `commit` and `wait_announced`.
        """

        def noted(connection: Connection) -> tuple[R, bool]:
            before = _REVOKES.set(False)
            try:
                return work(connection), _REVOKES.get()
            finally:
                _REVOKES.reset(before)

        result, revokes = await super().write(noted)
        if revokes and self._lease_s and self.is_announced:
            await asyncio.sleep(self._lease_s)
        return result

    def put(self, connection: Connection, record: OutputClientData) -> None:
        """Leave a record to be sent once the transaction is committed, called last in it."""
        if isinstance(record, TokensRevoked | AccountStatusChanged):
            _REVOKES.set(True)
        super().put(connection, record)
