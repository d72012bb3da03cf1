"""Who reads which topic, and in which database the positions are."""

from typing import Any, Final, NamedTuple

from base.database import Schema
from components.eduserver.assembly import SCHEMA as EDUSERVER
from components.receipts.assembly import SCHEMA as RECEIPTS
from components.roomserver.assembly import SCHEMA as ROOMSERVER
from components.syncapi.assembly import SCHEMA as SYNCAPI
from logs.topics import (
    INPUT_RECEIPT,
    INPUT_ROOM_EVENT,
    INPUT_TYPING,
    OUTPUT_CLIENT_DATA,
    OUTPUT_RECEIPT,
    OUTPUT_ROOM_EVENT,
    Topic,
)


class ConsumerPlace(NamedTuple):
    """A consumer that keeps its positions in a database."""

    name: str
    topic: Topic[Any]
    schema: Schema


CONSUMERS: Final = (
    ConsumerPlace("roomserver", INPUT_ROOM_EVENT, ROOMSERVER),
    ConsumerPlace("receipts", INPUT_RECEIPT, RECEIPTS),
    ConsumerPlace("eduserver", INPUT_TYPING, EDUSERVER),
    ConsumerPlace("syncapi", OUTPUT_ROOM_EVENT, SYNCAPI),
    ConsumerPlace("syncapi", OUTPUT_CLIENT_DATA, SYNCAPI),
    ConsumerPlace("syncapi", OUTPUT_RECEIPT, SYNCAPI),
)
