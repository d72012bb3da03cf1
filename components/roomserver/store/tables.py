"""The tables of the room server: events, rooms, state nodes, memberships, aliases."""

from typing import Final

import sqlalchemy as sa

from base.database import Connection, Schema, partial_index
from logs.consumer.tables import CONSUMER_SCHEMA

metadata: Final = sa.MetaData()

events: Final = sa.Table(
    "events",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("flags", sa.SmallInteger, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("state_before", sa.LargeBinary),
    sa.Column("state_after", sa.LargeBinary),
    sa.Column("redacted_because", sa.Text),
    sa.Column("reason", sa.Text),
    # The place among what was announced of the room; null for what never was.
    sa.Column("place", sa.BigInteger),
    # What the event changed in the current state, as announced; null for nothing.
    sa.Column("changes", sa.LargeBinary),
)
partial_index(
    "announced_events", events.c.room_id, events.c.place, where=events.c.place.isnot(None)
)
auth_edges: Final = sa.Table(
    "auth_edges",
    metadata,
    # Of state events that were not rejected: only these are in auth chains.
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("auth_event_id", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)
rooms: Final = sa.Table(
    "rooms",
    metadata,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("create_event_id", sa.Text, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("latest", sa.LargeBinary, nullable=False),
    # The place of the event that was announced last.
    sa.Column("last_place", sa.BigInteger, nullable=False),
    sa.Column("is_published", sa.Boolean, nullable=False, default=False),
)
state_nodes: Final = sa.Table(
    "state_nodes",
    metadata,
    sa.Column("name", sa.LargeBinary, primary_key=True),
    sa.Column("node", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
given_states: Final = sa.Table(
    "given_states",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("is_complete", sa.Boolean, nullable=False),
)
transactions: Final = sa.Table(
    "transactions",
    metadata,
    # First in the key, because a batch looks for its transaction IDs alone.
    sa.Column("transaction_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("timestamp_ms", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
waiting_redactions: Final = sa.Table(
    "waiting_redactions",
    metadata,
    sa.Column("target_event_id", sa.Text, primary_key=True),
    sa.Column("redaction_event_id", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)
memberships: Final = sa.Table(
    "memberships",
    metadata,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("membership", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Index("memberships_by_user", "user_id", "membership"),
    sqlite_with_rowid=False,
)
forgotten: Final = sa.Table(
    "forgotten",
    metadata,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    # The place among what was announced of the room: what comes after it may end it.
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Index("forgotten_in_order", "room_id", "place"),
    sqlite_with_rowid=False,
)
aliases: Final = sa.Table(
    "aliases",
    metadata,
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, nullable=False, index=True),
    sa.Column("creator", sa.Text, nullable=False, index=True),
)
_published_rooms: Final = partial_index(
    "published_rooms", rooms.c.room_id, where=rooms.c.is_published == sa.true()
)


def _index_directory(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE INDEX ix_aliases_creator ON aliases (creator)")
    _published_rooms.create(connection)


def _keep_auth_edges(connection: Connection) -> None:
    """Make the table; of events from before, chains are read event by event."""
    auth_edges.create(connection)


SCHEMA: Final = Schema(
    "roomserver", metadata, (_index_directory, _keep_auth_edges), parts=(CONSUMER_SCHEMA,)
)
