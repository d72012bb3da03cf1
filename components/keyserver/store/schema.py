"""The tables of the key server, and how those of older versions become these."""

from typing import Final

from base.database import Connection, Schema
from components.keyserver.store.backup_tables import add_backups
from components.keyserver.store.claimed_keys import add_claimed_keys
from components.keyserver.store.tables import METADATA
from logs.announcing.tables import ANNOUNCING_SCHEMA
from logs.consumer.tables import CONSUMER_SCHEMA


def _add_dehydrated_devices(connection: Connection) -> None:
    binary = "BLOB" if connection.dialect.name == "sqlite" else "BYTEA"
    connection.exec_driver_sql(
        "CREATE TABLE dehydrated_devices (user_id TEXT NOT NULL PRIMARY KEY, "
        f"device_id TEXT NOT NULL, number BIGINT NOT NULL, device_data {binary} NOT NULL)"
    )


SCHEMA: Final = Schema(
    "keyserver",
    METADATA,
    (add_backups, _add_dehydrated_devices, add_claimed_keys),
    parts=(CONSUMER_SCHEMA, ANNOUNCING_SCHEMA),
)
"""All tables of the key server."""
