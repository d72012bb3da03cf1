"""What key counts are rebuilt from: the history of the key server.

Whose keys changed before a copy of the tables was begun is of no use to it: no token of this copy
is from before then.
"""

from functools import partial

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
from logs.topics import OUTPUT_KEY_CHANGE


def key_stages(source: HistorySource) -> list[Stage]:
    """Return the history of keys."""
    return [Stage(8, "keys", partial(_read, source))]


async def _read(source: HistorySource, cursor: Cursor) -> HistoryPart:
    page = await source.owners.keys.query_key_changes(after=cursor.place, limit=RECORDS_AT_ONCE)
    records = [OUTPUT_KEY_CHANGE.decode(record) for record in page.records]
    return part_of(
        source.log,
        OUTPUT_KEY_CHANGE,
        [(one.user_id, order, one) for one, order in zip(records, places(cursor), strict=False)],
        moved(cursor, page.next_place, len(records)),
    )
