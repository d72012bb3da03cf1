"""The list of streams: what /sync tells, in the order in which streams are asked."""

from typing import Any, Final

from components.syncapi.streams.account_data import AccountDataStream
from components.syncapi.streams.device_lists import DeviceListStream
from components.syncapi.streams.receipts import ReceiptStream
from components.syncapi.streams.rooms.stream import RoomStream
from components.syncapi.streams.stream import ProjectedStream, StreamKinds
from components.syncapi.streams.to_device import ToDeviceStream
from components.syncapi.streams.typing import TypingStream
from logs.topics import Topic

STREAMS: Final[StreamKinds] = (
    RoomStream,
    AccountDataStream,
    ReceiptStream,
    ToDeviceStream,
    TypingStream,
    DeviceListStream,
)
"""The stream of rooms is the first: it says which rooms begin, and the others add to them.

A stream may be added anywhere behind it: tokens tell streams by their numbers.
"""


def projected_topics(kinds: StreamKinds) -> list[Topic[Any]]:
    """Return the topics whose positions are in the tables."""
    return [kind.topic for kind in kinds if issubclass(kind, ProjectedStream)]
