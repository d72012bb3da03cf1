"""The tables of the key server, and how those of older versions become these."""

from typing import Final

from base.database import Schema
from components.keyserver.store.backup_tables import add_backups
from components.keyserver.store.tables import METADATA
from logs.announcing.tables import ANNOUNCING_SCHEMA
from logs.consumer.tables import CONSUMER_SCHEMA

SCHEMA: Final = Schema(
    "keyserver", METADATA, (add_backups,), parts=(CONSUMER_SCHEMA, ANNOUNCING_SCHEMA)
)
"""All tables of the key server."""
