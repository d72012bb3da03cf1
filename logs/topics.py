"""The catalogue of topics: what each carries, who writes and reads it, and under which key."""

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar, get_args

import msgspec

from logs.records.client_data import OutputClientData
from logs.records.key_changes import OutputKeyChange
from logs.records.processed import InputProcessed
from logs.records.receipts import InputReceipt, OutputReceipt
from logs.records.rejected import RejectedRecord
from logs.records.room_input import InputRoomEvent
from logs.records.room_output import OutputRoomEvent
from logs.records.to_device import SendToDevice
from logs.records.typing import InputTyping, OutputTyping

T = TypeVar("T")

_FAULTS: Final = (msgspec.MsgspecError, ValueError, TypeError, ArithmeticError, RecursionError)
"""What bytes can do to the decoder: text that is none, numbers too large, nesting too deep."""


class UndecodableRecord(ValueError):
    """The bytes are no record of this topic, as no version writes them."""


class UnknownKind(Exception):
    """The record is of a kind that this version does not know: a newer one has written it.

    Nobody goes on behind it: it waits for a version that knows it.
    """

    def __init__(self, topic: str, kind: str) -> None:
        super().__init__(f"{topic} has a record of the unknown kind {kind!r}")
        self.topic: Final = topic
        self.kind: Final = kind


class Topic(Generic[T]):
    """A topic with the type of its records."""

    def __init__(
        self, name: str, record: Any, *, key: str, writers: str, readers: str, retention_h: int
    ) -> None:
        self.name: Final = name
        self.record: Final = record
        self.key: Final = key
        self.writers: Final = writers
        self.readers: Final = readers
        self.retention_h: Final = retention_h
        self._encoder: Final = msgspec.msgpack.Encoder()
        self._decoder: Final[msgspec.msgpack.Decoder[T]] = msgspec.msgpack.Decoder(record)
        configs = [kind.__struct_config__ for kind in get_args(record) or (record,)]
        self._tag_field: Final[str | None] = configs[0].tag_field
        self._kinds: Final = frozenset(config.tag for config in configs)

    def encode(self, value: T) -> bytes:
        """Return the record's bytes."""
        return self._encoder.encode(value)

    def decode(self, value: bytes) -> T:
        """Return the record. Raises `UnknownKind`, and `UndecodableRecord` on what is none."""
        try:
            return self._decoder.decode(value)
        except _FAULTS as error:
            kind = self._unknown_kind(value)
            if kind is not None:
                raise UnknownKind(self.name, kind) from error
            raise UndecodableRecord(f"{type(error).__name__}: {error}") from error

    def _unknown_kind(self, value: bytes) -> str | None:
        """Return the kind that well-formed bytes name, if it is none of this version's."""
        try:
            found = msgspec.msgpack.decode(value)
        except _FAULTS:
            return None
        # Records of a topic without tags are of one kind, which they do not name.
        kind = found.get(self._tag_field) if isinstance(found, dict) else None
        return kind if isinstance(kind, str) and kind not in self._kinds else None


INPUT_ROOM_EVENT: Final[Topic[InputRoomEvent]] = Topic(
    "InputRoomEvent",
    InputRoomEvent,
    key="room ID",
    writers="client API",
    readers="room server",
    retention_h=24,
)
OUTPUT_ROOM_EVENT: Final[Topic[OutputRoomEvent]] = Topic(
    "OutputRoomEvent",
    OutputRoomEvent,
    key="room ID",
    writers="room server",
    readers="sync, client API (outcomes)",
    retention_h=7 * 24,
)
OUTPUT_CLIENT_DATA: Final[Topic[OutputClientData]] = Topic(
    "OutputClientData",
    OutputClientData,
    key="user ID",
    writers="user API",
    readers="sync, key server, user API, client API (tokens)",
    retention_h=7 * 24,
)
OUTPUT_KEY_CHANGE: Final[Topic[OutputKeyChange]] = Topic(
    "OutputKeyChange",
    OutputKeyChange,
    key="user ID",
    writers="key server",
    readers="sync",
    retention_h=7 * 24,
)
INPUT_RECEIPT: Final[Topic[InputReceipt]] = Topic(
    "InputReceipt",
    InputReceipt,
    key="room ID",
    writers="client API",
    readers="receipt server",
    retention_h=24,
)
OUTPUT_RECEIPT: Final[Topic[OutputReceipt]] = Topic(
    "OutputReceipt",
    OutputReceipt,
    key="room ID",
    writers="receipt server",
    readers="sync",
    retention_h=7 * 24,
)
INPUT_TYPING: Final[Topic[InputTyping]] = Topic(
    "InputTyping",
    InputTyping,
    key="room ID",
    writers="client API, EDU server (expiry)",
    readers="EDU server",
    retention_h=1,
)
OUTPUT_TYPING: Final[Topic[OutputTyping]] = Topic(
    "OutputTyping",
    OutputTyping,
    key="room ID",
    writers="EDU server",
    readers="sync",
    retention_h=1,
)
SEND_TO_DEVICE: Final[Topic[SendToDevice]] = Topic(
    "SendToDevice",
    SendToDevice,
    key="target user ID",
    writers="client API",
    readers="sync",
    retention_h=7 * 24,
)
INPUT_PROCESSED: Final[Topic[InputProcessed]] = Topic(
    "InputProcessed",
    InputProcessed,
    key="component and partition",
    writers="receipt server, EDU server",
    readers="client API",
    retention_h=1,
)
REJECTED: Final[Topic[RejectedRecord]] = Topic(
    "Rejected",
    RejectedRecord,
    key="as the source",
    writers="any consumer",
    readers="operators",
    retention_h=28 * 24,
)

TOPICS: Final[Mapping[str, Topic[Any]]] = {
    topic.name: topic
    for topic in (
        INPUT_ROOM_EVENT,
        OUTPUT_ROOM_EVENT,
        OUTPUT_CLIENT_DATA,
        OUTPUT_KEY_CHANGE,
        INPUT_RECEIPT,
        OUTPUT_RECEIPT,
        INPUT_TYPING,
        OUTPUT_TYPING,
        SEND_TO_DEVICE,
        INPUT_PROCESSED,
        REJECTED,
    )
}
