"""The tables that client sync derives from OutputRoomEvent and OutputClientData.

`stream_order` is the offset of the record in its partition of the topic; a room lives in one
partition, so that it orders the events of a room. Backfilled events have negative orders.
"""

from typing import Final

import sqlalchemy as sa

from base.database import Connection, Schema, partial_index
from logs.consumer.tables import CONSUMER_SCHEMA
from logs.rebuilding.progress import REBUILDING_SCHEMA

METADATA: Final = sa.MetaData()

EVENTS: Final = sa.Table(
    "events",
    METADATA,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, nullable=False),
    # Null for state that is known without having been in the timeline.
    sa.Column("stream_order", sa.BigInteger),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("state_key", sa.Text),
    sa.Column("origin_server_ts", sa.BigInteger, nullable=False),
    # Before the event, as the visibility rules want it.
    sa.Column("history_visibility", sa.Text, nullable=False),
    # Client form without `room_id` and `unsigned`.
    sa.Column("json", sa.LargeBinary, nullable=False),
    # Members of `unsigned` that never change, without the braces.
    sa.Column("unsigned", sa.LargeBinary, nullable=False),
    sa.Column("membership", sa.Text),
    sa.Column("replaces", sa.Text),
    # 0: changed no current state; 1: its own entry; 2: also others, or only others.
    sa.Column("state_effect", sa.SmallInteger, nullable=False),
    sa.Column("device_id", sa.Text),
    sa.Column("transaction_id", sa.Text),
    # What it is to the predefined push rules (`matrix.push_rules.classes`): 0 notifies nobody, and
    # what was redacted has a negative one.
    sa.Column("push_class", sa.SmallInteger, nullable=False),
    # Of the thread that it is in, directly or by what it relates to.
    sa.Column("thread_root", sa.Text),
    sa.Index("events_by_time", "room_id", "origin_server_ts"),
)
# The order of each room's timeline. What is unread is counted from it alone, without the rows.
_IN_ROOM: Final = sa.Index(
    "events_of_room",
    EVENTS.c.room_id,
    EVENTS.c.stream_order,
    EVENTS.c.thread_root,
    EVENTS.c.push_class,
    EVENTS.c.sender,
)
_NOTIFIES_IN_THREAD: Final = sa.and_(
    EVENTS.c.push_class != sa.literal_column("0"), EVENTS.c.thread_root.isnot(None)
)
partial_index(
    "unread_in_threads",
    EVENTS.c.room_id,
    EVENTS.c.stream_order,
    EVENTS.c.thread_root,
    EVENTS.c.push_class,
    EVENTS.c.sender,
    where=_NOTIFIES_IN_THREAD,
)
# Redaction of a state event has to find the events that show it as `prev_content`.
partial_index(
    "events_that_replace",
    EVENTS.c.replaces,
    where=EVENTS.c.replaces.isnot(None),
)

MENTIONS: Final = sa.Table(
    "mentions",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    # Empty for a mention of the room.
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("stream_order", sa.BigInteger, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    # As the event has them.
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("push_class", sa.SmallInteger, nullable=False),
    sa.Column("thread_root", sa.Text),
    sa.Index("mentions_of_event", "event_id"),
)

STATE_CHANGES: Final = sa.Table(
    "state_changes",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("stream_order", sa.BigInteger, primary_key=True),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("state_key", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text),
    sa.Column("replaces", sa.Text),
)

CURRENT_STATE: Final = sa.Table(
    "current_state",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("state_key", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
)

MEMBERSHIPS: Final = sa.Table(
    "memberships",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("membership", sa.Text, nullable=False),
    # Since when the membership has this value: a new display name leaves it.
    sa.Column("stream_order", sa.BigInteger, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Index("members_of_room", "room_id", "membership", "stream_order"),
)

MEMBERSHIP_CHANGES: Final = sa.Table(
    "membership_changes",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("stream_order", sa.BigInteger, primary_key=True),
    sa.Column("membership", sa.Text, nullable=False),
)

FORGOTTEN_ROOMS: Final = sa.Table(
    "forgotten_rooms",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, primary_key=True),
    # Whoever joined, knocked or was invited after this place has the room again.
    sa.Column("stream_order", sa.BigInteger, nullable=False),
)

INVITES: Final = sa.Table(
    "invites",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    # JSON array of stripped state.
    sa.Column("invite_state", sa.LargeBinary, nullable=False),
)

ACCOUNT_DATA: Final = sa.Table(
    "account_data",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    # Empty for global account data.
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("stream_order", sa.BigInteger, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

REBUILT_ROOMS: Final = sa.Table(
    "rebuilt_rooms",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    # Records of the topic before this offset are among what the room was rebuilt from.
    sa.Column("covered_upto", sa.BigInteger, nullable=False),
)


def _one_index_of_a_room(connection: Connection) -> None:
    """Let one index order a timeline and count what is unread, where there were two."""
    for name in ("events_in_room", "unread_in_main"):
        connection.exec_driver_sql(f"DROP INDEX {name}")
    _IN_ROOM.create(connection)


def _add_to_device(connection: Connection) -> None:
    """Add the messages that wait for devices."""
    binary = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    messages = (
        "CREATE TABLE to_device_messages (user_id TEXT NOT NULL, device_id TEXT NOT NULL, "
        f"device_number BIGINT NOT NULL, stream_order BIGINT NOT NULL, event {binary} NOT NULL, "
        "PRIMARY KEY (user_id, device_id, device_number, stream_order))"
    )
    requests = (
        f"CREATE TABLE to_device_requests (request_hash {binary} NOT NULL PRIMARY KEY, "
        "stream_order BIGINT NOT NULL, sent_ms BIGINT NOT NULL)"
    )
    removed = (
        "CREATE TABLE removed_devices (user_id TEXT NOT NULL, device_id TEXT NOT NULL, "
        "removed_up_to BIGINT NOT NULL, removed_ms BIGINT NOT NULL, "
        "PRIMARY KEY (user_id, device_id))"
    )
    for statement in (
        messages,
        requests,
        removed,
        "CREATE INDEX to_device_requests_by_time ON to_device_requests (sent_ms)",
        "CREATE INDEX removed_devices_by_time ON removed_devices (removed_ms)",
    ):
        connection.exec_driver_sql(statement)


def _add_keys(connection: Connection) -> None:
    """Add whose keys changed, and how many of a device can be claimed."""
    binary = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    connection.exec_driver_sql(
        "CREATE TABLE key_changes (partition INTEGER NOT NULL, stream_order BIGINT NOT NULL, "
        "user_id TEXT NOT NULL, told_to TEXT NOT NULL, "
        "PRIMARY KEY (partition, stream_order, user_id))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE key_counts (user_id TEXT NOT NULL, device_id TEXT NOT NULL, "
        f"stream_order BIGINT NOT NULL, one_time_keys {binary} NOT NULL, "
        f"unused_fallback_types {binary} NOT NULL, PRIMARY KEY (user_id, device_id))"
    )


SCHEMA: Final = Schema(
    "syncapi",
    METADATA,
    (_one_index_of_a_room, _add_to_device, _add_keys),
    parts=(CONSUMER_SCHEMA, REBUILDING_SCHEMA),
)
