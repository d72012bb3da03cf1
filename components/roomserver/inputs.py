"""The inputs of the room server, read once from their records."""

from typing import Final, Literal, NamedTuple

from logs.consumer import Message, Outbox
from logs.records.room_input import AddState, ForgetRoom, InputRoomEvent, Transaction
from matrix.errors import MatrixError
from matrix.events import Event, load_event, redacts_of
from matrix.identifiers import EventID
from matrix.room_versions import room_version

_MALFORMED: Final = (MatrixError, KeyError, TypeError, ValueError, AttributeError)


class EventInput(NamedTuple):
    """An event to add."""

    event: Event
    kind: Literal["new", "old", "outlier"]
    is_remote: bool
    sent_as: Transaction | None
    """The transaction as the client named it."""
    transaction: Transaction | None
    """The same, with its path: what a repeat must have in common with it."""
    request_id: str


Input = EventInput | AddState | ForgetRoom


_SEPARATOR: Final = "\x1f"
_PATH_PARTS: Final = 3


def read_input(message: Message[InputRoomEvent], outbox: Outbox) -> Input | None:
    """Return the input of a record; one that holds no event is rejected."""
    record = message.value
    if isinstance(record, AddState | ForgetRoom):
        return record
    try:
        version = room_version(record.room_version)
        event = load_event(record.pdu, version, EventID(record.event_id))
    except _MALFORMED as error:
        outbox.reject(message, f"Not an event: {error!r}")
        return None
    sent_as = record.transaction
    return EventInput(
        event,
        record.kind,
        bool(record.origin),
        sent_as,
        None if sent_as is None else _with_path(sent_as, event),
        record.request_id,
    )


def _with_path(transaction: Transaction, event: Event) -> Transaction:
    # A transaction ID holds for one device and one path (client-server API, "Transaction
    # identifiers"): room, event type, and for a redaction its target.
    path = _SEPARATOR.join((event.room_id, event.type, redacts_of(event) or ""))
    return Transaction(
        transaction.user_id,
        transaction.device_id,
        f"{path}{_SEPARATOR}{transaction.transaction_id}",
    )


def id_without_path(transaction: Transaction) -> str:
    """Return the ID of a transaction that is known with its path as the client gave it."""
    return transaction.transaction_id.split(_SEPARATOR, _PATH_PARTS)[-1]
