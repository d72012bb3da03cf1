"""Work that comes again and again while a process runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

_log: Final = logging.getLogger(__name__)


async def repeat(
    work: Callable[[], Awaitable[None]],
    *,
    pause_s: float,
    outages: tuple[type[Exception], ...],
    what: str,
    pause_first: bool = False,
    level: int = logging.DEBUG,
) -> NoReturn:
    """Do the work with pauses between, until cancelled.

    What an outage cuts off is done after the next pause, and `what` it is stands in the log, at
    this level.
    """
    if pause_first:
        await asyncio.sleep(pause_s)
    while True:
        try:
            await work()
        except outages as outage:
            _log.log(level, "Put off until later", extra={"what": what, "reason": str(outage)})
        await asyncio.sleep(pause_s)
