"""What devices send to devices: the records of SendToDevice."""

from typing import Annotated

import msgspec
from msgspec import Meta

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class DeviceMessage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message to one device."""

    device_id: str
    """`*` for all devices, where another server knows which ones there are."""
    content: bytes
    """JSON object."""
    number: Number | None = None
    """Which of the local devices that have had this ID it is for (`DeviceChanged.number`)."""


class MessagesSent(
    msgspec.Struct, frozen=True, tag_field="record", tag="messages", omit_defaults=True
):
    """What one request sends to devices of one user, local or remote.

    Devices are those that there were when it was asked for: what comes later is not sent to.
    """

    user_id: str
    """Whose devices these are."""
    sender: str
    type: str
    message_id: str
    """Random, the same for all users of the request."""
    messages: list[DeviceMessage]
    """At most one for each device."""
    device_id: str
    """Of the sender. With the next two it says which request it is, so that a repeat is known."""
    device_number: Number
    transaction_id: str


SendToDevice = MessagesSent
