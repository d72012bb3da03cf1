"""A rebuild waits for outages to end: it may take hours, and goes on by itself."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from base.backoff import Backoff
from base.database import DatabaseOutage
from logs.log import LogOutage

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)


async def wait_out(work: Callable[[], Awaitable[T]]) -> T:
    """Do this again until there is no outage."""
    backoff = Backoff()
    while True:
        try:
            return await work()
        except (DatabaseOutage, LogOutage) as outage:
            note_outage(outage)
            await backoff.wait()


def note_outage(outage: Exception) -> None:
    """Tell that the rebuild waits."""
    _log.warning("the rebuild waits", extra={"outage": str(outage)})
