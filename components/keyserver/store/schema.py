"""The tables of the key server, and how those of older versions become these."""

from typing import Final

from base.database import Schema
from components.keyserver.store.tables import METADATA
from logs.announcing.tables import ANNOUNCING_SCHEMA
from logs.consumer.tables import CONSUMER_SCHEMA

SCHEMA: Final = Schema("keyserver", METADATA, parts=(CONSUMER_SCHEMA, ANNOUNCING_SCHEMA))
