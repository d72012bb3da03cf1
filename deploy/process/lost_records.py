"""A process does not begin where records were dropped that a consumer has not processed."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final

from deploy.catalogue import CATALOGUE
from deploy.watching.readiness import ActionNeeded, Readiness
from describing.tables import Keeps
from logs.consumer.loop import Consumer
from logs.log import LogReplaced, RecordsLost

_log: Final = logging.getLogger(__name__)

OF_ANOTHER_LOG: Final = (
    "Restore the database and the log from backups of one time. Or, if the log is lost, run "
    "`xylem rebind`: it says what is lost, and binds the databases to the log that is there."
)


async def require_records(
    readiness: Readiness,
    consumers: Iterable[Consumer[Any]],
    begin_anew: Callable[[], Awaitable[None]],
) -> None:
    """Return once the log has what these consumers have yet to process.

    A process that is not patient refuses the start. Any other says in its log and in
    `/health/ready` what is to be done, and goes on when it has been done. `begin_anew` raises where
    the process has to open its tables again.
    """
    for consumer in consumers:
        if _keeps(consumer.name) is not Keeps.DERIVED:
            what = f"{consumer.name} belongs to another log: xylem rebind"
            await readiness.wait_for(what, partial(_require_its_log, consumer))
        command = command_for(consumer.name)
        what = f"{consumer.name} has missed records: {command}"
        await readiness.wait_for(what, partial(_attempt, consumer, command, begin_anew))


def command_for(consumer: str) -> str:
    """Return the command that lets a consumer go on which has missed records."""
    is_rebuilt = _keeps(consumer) is Keeps.DERIVED
    return f"xylem {'rebuild' if is_rebuilt else 'skip-lost'} {consumer}"


def _keeps(consumer: str) -> Keeps | None:
    return CATALOGUE.named(consumer).keeps


async def _require_its_log(consumer: Consumer[Any]) -> None:
    # What else may be missing is asked for next.
    with contextlib.suppress(RecordsLost):
        try:
            await consumer.require_records()
        except LogReplaced as replaced:
            raise ActionNeeded(str(replaced), OF_ANOTHER_LOG) from replaced


async def _attempt(
    consumer: Consumer[Any], command: str, begin_anew: Callable[[], Awaitable[None]]
) -> None:
    await begin_anew()
    try:
        if _keeps(consumer.name) is Keeps.MOMENTARY:
            await _skip(consumer)
        await consumer.require_records()
    except RecordsLost as lost:
        raise ActionNeeded(str(lost), f"Run `{command}`.") from lost


async def _skip(consumer: Consumer[Any]) -> None:
    for partition, (first, end) in (await consumer.skip_lost_records()).items():
        _log.error(
            "Records were dropped before they were processed: they are too old to matter",
            extra={
                "consumer": consumer.name,
                "topic": consumer.topic.name,
                "partition": partition,
                "first": first,
                "end": end,
            },
        )
