"""The tables of backups of keys, and the migration that makes them."""

from typing import Final

import sqlalchemy as sa

from base.database import Connection
from components.keyserver.store.tables import METADATA

backup_users: Final = sa.Table(
    "backup_users",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    # The version of the backup that was made last. No version is given twice.
    sa.Column("last_version", sa.BigInteger, nullable=False),
    # Whether the account has ended: a request that was under way then stores nothing.
    sa.Column("is_ended", sa.Boolean, nullable=False),
)

key_backups: Final = sa.Table(
    "key_backups",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("algorithm", sa.Text, nullable=False),
    # JSON.
    sa.Column("auth_data", sa.LargeBinary, nullable=False),
    # How often keys of the backup were changed.
    sa.Column("etag", sa.BigInteger, nullable=False),
    # How many keys there are, so that nobody has to count them.
    sa.Column("key_count", sa.BigInteger, nullable=False),
)

# Backups that are deleted while some of their keys may be left.
deleted_backups: Final = sa.Table(
    "deleted_backups",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
)

backed_up_keys: Final = sa.Table(
    "backed_up_keys",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    # Before the room, because the keys of many rooms are looked up at once when they are stored.
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("first_message_index", sa.BigInteger, nullable=False),
    sa.Column("forwarded_count", sa.BigInteger, nullable=False),
    sa.Column("is_verified", sa.Boolean, nullable=False),
    # What clients have encrypted, JSON.
    sa.Column("session_data", sa.LargeBinary, nullable=False),
    sa.Index("backed_up_keys_by_room", "user_id", "version", "room_id", "session_id"),
)


def add_backups(connection: Connection) -> None:
    """Make the tables, as they were when they came."""
    binary = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    connection.exec_driver_sql(
        "CREATE TABLE backup_users (user_id TEXT NOT NULL PRIMARY KEY, "
        "last_version BIGINT NOT NULL, is_ended BOOLEAN NOT NULL)"
    )
    connection.exec_driver_sql(
        "CREATE TABLE key_backups (user_id TEXT NOT NULL, version BIGINT NOT NULL, "
        f"algorithm TEXT NOT NULL, auth_data {binary} NOT NULL, etag BIGINT NOT NULL, "
        "key_count BIGINT NOT NULL, PRIMARY KEY (user_id, version))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE deleted_backups (user_id TEXT NOT NULL, version BIGINT NOT NULL, "
        "PRIMARY KEY (user_id, version))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE backed_up_keys (user_id TEXT NOT NULL, version BIGINT NOT NULL, "
        "session_id TEXT NOT NULL, room_id TEXT NOT NULL, first_message_index BIGINT NOT NULL, "
        "forwarded_count BIGINT NOT NULL, is_verified BOOLEAN NOT NULL, "
        f"session_data {binary} NOT NULL, PRIMARY KEY (user_id, version, session_id, room_id))"
    )
    connection.exec_driver_sql(
        "CREATE INDEX backed_up_keys_by_room "
        "ON backed_up_keys (user_id, version, room_id, session_id)"
    )
