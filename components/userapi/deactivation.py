"""Deactivation of accounts, and the leaving of rooms that follows."""

import asyncio
import contextlib
import logging
from typing import Final

from base.database import DatabaseOutage
from components.userapi.store.account_status import AccountStatusStore
from internalapi.clientapi import Departures
from matrix.errors import MatrixError, Unavailable
from matrix.identifiers import UserID
from requesting.token_cache import TokenCache

_log: Final = logging.getLogger(__name__)

_USERS_AT_ONCE: Final = 100
_LOOK_AGAIN_S: Final = 30.0
"""Also for how long after their departure users are looked for in rooms, who may have been on their
way into one: the process that would have let them leave it may have died.
"""


class DeactivationService:
    """Ends accounts. Their users leave their rooms soon afterwards, whatever happens meanwhile."""

    def __init__(
        self, store: AccountStatusStore, cache: TokenCache, departures: Departures | None
    ) -> None:
        self._store = store
        self._cache = cache
        self._departures = departures
        self._departing = asyncio.Event()
        self._departed_at_s: dict[UserID, float] = {}

    async def perform_deactivate(
        self, user_id: UserID, *, erase: bool, session_id: str | None = None
    ) -> None:
        """End an account, durable on return; the interactive session that allowed it ends too."""
        await self._store.deactivate(user_id, session_id, erase=erase)
        self._cache.forget(user_id, None)
        self._departing.set()

    async def run(self) -> None:
        """Take users out of their rooms, until cancelled; also those of before a restart."""
        if self._departures is None:
            return
        while True:
            self._departing.clear()
            try:
                await self._depart(self._departures)
            except (DatabaseOutage, Unavailable) as outage:
                _log.debug("Deactivated users stay in rooms for now", extra={"reason": str(outage)})
            # Commands and other replicas deactivate accounts, too, and some may have stayed.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._departing.wait()

    async def _depart(self, departures: Departures) -> None:
        """Let all leave who have to; those who cannot now are tried again later."""
        after = ""
        looked_at: set[UserID] = set()
        while user_ids := await self._store.select_departing(after, _USERS_AT_ONCE):
            # Whoever enters a room after this look finds that the account has ended.
            await self._store.announced()
            looked_at.update(user_ids)
            for user_id in user_ids:
                try:
                    await departures.perform_leave_all(user_id=user_id)
                except MatrixError as refusal:
                    _log.warning(
                        "A deactivated user stays in rooms for now",
                        extra={"user_id": user_id, "reason": str(refusal)},
                    )
                else:
                    await self._note_departure(user_id)
            after = user_ids[-1]
        # Other replicas end departures, too.
        for user_id in self._departed_at_s.keys() - looked_at:
            del self._departed_at_s[user_id]

    async def _note_departure(self, user_id: UserID) -> None:
        """Let the user depart once more after a while, or no more."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._departed_at_s.setdefault(user_id, now_s) >= _LOOK_AGAIN_S:
            await self._store.delete_departing(user_id)
            del self._departed_at_s[user_id]
