"""Messages to devices, written by hand, and what answers have of them."""

import itertools
from typing import Any

import orjson

from logs.records.to_device import DeviceMessage, MessagesSent
from tests.component.syncapi.story import ALICE, BOB

_TRANSACTIONS = itertools.count()


def to_device(
    *device_ids: str,
    text: str,
    user_id: str = ALICE,
    sender: str = BOB,
    number: int = 0,
    transaction_id: str | None = None,
    kind: str = "m.test",
) -> MessagesSent:
    """Return the record of a request that sends the same to some devices."""
    content = orjson.dumps({"text": text})
    return MessagesSent(
        user_id=user_id,
        sender=sender,
        type=kind,
        message_id="message",
        messages=[DeviceMessage(device_id, content, number) for device_id in device_ids],
        device_id="SENDER",
        device_number=1,
        transaction_id=transaction_id or f"own{next(_TRANSACTIONS)}",
    )


def given(answer: dict[str, Any]) -> list[str]:
    """Return the texts of the messages to the device."""
    return [event["content"]["text"] for event in answer["to_device"]["events"]]
