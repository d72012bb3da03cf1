"""Client sync's tables of an older version become those of this one."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import Schema, open_database
from components.syncapi.assembly import SCHEMA


def make_as_version_1(connection: Connection) -> None:
    for made_later in (
        "to_device_messages",
        "to_device_requests",
        "removed_devices",
        "key_changes",
        "key_counts",
    ):
        connection.exec_driver_sql(f"DROP TABLE {made_later}")
    connection.exec_driver_sql("DROP INDEX events_of_room")
    connection.exec_driver_sql("CREATE INDEX events_in_room ON events (room_id, stream_order)")
    connection.exec_driver_sql(
        "CREATE INDEX unread_in_main ON events"
        " (room_id, stream_order, thread_root, push_class, sender)"
        " WHERE push_class != 0 AND thread_root IS NULL"
    )
    connection.exec_driver_sql("UPDATE schema_version SET version = 1")


def indexes(connection: Connection) -> list[str]:
    found = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " AND tbl_name = 'events' ORDER BY name"
    )
    return list(found.scalars())


def plan_of_unread(connection: Connection) -> str:
    counted = sa.text(
        "EXPLAIN QUERY PLAN SELECT push_class, count(*), max(stream_order) FROM events"
        " WHERE room_id = '!a' AND stream_order > 5 AND push_class != 0 AND thread_root IS NULL"
        " GROUP BY push_class"
    )
    return " ".join(row[3] for row in connection.execute(counted))


async def test_a_room_has_one_index_that_orders_its_timeline_and_counts_what_is_unread(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}"
    older = await open_database(url, Schema(SCHEMA.name, SCHEMA.metadata))
    await older.write(make_as_version_1)
    await older.close()

    database = await open_database(url, SCHEMA)

    assert await database.read(indexes) == [
        "events_by_time",
        "events_of_room",
        "events_that_replace",
        "unread_in_threads",
    ]
    assert "COVERING INDEX events_of_room" in await database.read(plan_of_unread)
    await database.close()
