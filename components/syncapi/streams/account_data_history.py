"""What account data and erasures are rebuilt from: the history of the user API."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from components.syncapi.store.rebuild_progress import Cursor
from components.syncapi.streams.history import (
    RECORDS_AT_ONCE,
    HistoryPart,
    HistorySource,
    Stage,
    moved,
    part_of,
    places,
)
from internalapi.userapi import UserHistoryPage
from logs.log import Log
from logs.topics import OUTPUT_CLIENT_DATA


class _UserQuery(Protocol):
    def __call__(self, *, after: list[str], limit: int) -> Awaitable[UserHistoryPage]:
        """Return the part after a place."""
        ...


def user_stages(source: HistorySource) -> list[Stage]:
    """Return the histories of account data, and of accounts, whose erasures are about rooms."""
    users = source.owners.users
    return [
        Stage(0, "account data", _reading(source.log, users.query_user_data)),
        Stage(2, "accounts", _reading(source.log, users.query_account_statuses)),
    ]


def _reading(log: Log, query: _UserQuery) -> Callable[[Cursor], Awaitable[HistoryPart]]:
    return partial(_read, log, query)


async def _read(log: Log, query: _UserQuery, cursor: Cursor) -> HistoryPart:
    page = await query(after=cursor.place, limit=RECORDS_AT_ONCE)
    records = [OUTPUT_CLIENT_DATA.decode(record) for record in page.records]
    return part_of(
        log,
        OUTPUT_CLIENT_DATA,
        [(one.user_id, order, one) for one, order in zip(records, places(cursor), strict=False)],
        moved(cursor, page.next_place, len(records)),
    )
