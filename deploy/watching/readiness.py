"""Whether a process can serve, and what it waits for until it can."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from base.backoff import Backoff
from base.database import DatabaseOutage
from deploy.errors import StartRefused
from internalapi.transport import ApiUnavailable
from logs.log import LogOutage
from matrix.errors import Unavailable

T = TypeVar("T")

OUTAGES: Final = (DatabaseOutage, LogOutage)
"""What says that the database or the log is away: clients hear 503."""

_log: Final = logging.getLogger(__name__)
_TRIES_BETWEEN_LINES: Final = 12


class ActionNeeded(Exception):
    """The process cannot go on before somebody has done something: `advice` says what."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class Readiness:
    """What a process still waits for, by name, with the reason."""

    def __init__(self, *, is_patient: bool) -> None:
        self._is_patient = is_patient
        self._missing: dict[str, str] = {"start": "The process is starting."}
        self._is_stopping = False

    @property
    def is_ready(self) -> bool:
        """Whether the process takes requests."""
        return not self._missing and not self._is_stopping

    @property
    def is_stopping(self) -> bool:
        """Whether the process has been told to stop."""
        return self._is_stopping

    @property
    def missing(self) -> Mapping[str, str]:
        """What the process waits for, with the reason."""
        return self._missing

    def started(self) -> None:
        """Everything is there."""
        self._missing.clear()

    def stopping(self) -> None:
        """Be ready no more."""
        self._is_stopping = True

    async def wait_for(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns; during an outage try again, for as long as it takes.

        Without patience, an outage is a reason to refuse the start.
        """
        backoff = Backoff()
        tries = 0
        while True:
            try:
                found = await attempt()
            except (*OUTAGES, ApiUnavailable, Unavailable, ActionNeeded) as outage:
                reason = str(outage) or type(outage).__name__
                if isinstance(outage, ActionNeeded):
                    if not self._is_patient:
                        raise StartRefused(reason, outage.advice) from outage
                    reason = f"{reason} {outage.advice}"
                elif not self._is_patient:
                    raise StartRefused(
                        f"{what} cannot be opened: {reason}",
                        "A server has to run at the address that is set and take its password; a "
                        "folder has to be writable, and to have room on its disk.",
                    ) from outage
                if tries % _TRIES_BETWEEN_LINES == 0 or self._missing.get(what) != reason:
                    _log.warning("Waiting for a dependency", extra={"what": what, "why": reason})
                self._missing[what] = reason
                tries += 1
                await backoff.wait()
            else:
                if self._missing.pop(what, None) is not None:
                    _log.info("The dependency is there", extra={"what": what})
                return found
