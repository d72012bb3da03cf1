"""Writes messages to devices to the log.

Cost of a request: one query for the local devices, and one append of a record per target user.
"""

import secrets
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from internalapi.userapi import Devices, Requester
from logs.log import Log, Outgoing, RecordTooLarge
from logs.records.to_device import DeviceMessage, MessagesSent
from logs.topics import SEND_TO_DEVICE
from matrix.errors import TooLarge
from matrix.identifiers import ServerName, UserID, server_of

ALL_DEVICES: Final = "*"

Contents = Mapping[UserID, Mapping[str, bytes]]
"""By user and device ID what it is sent, a JSON object; `*` is for all devices not named."""


class NewMessages(msgspec.Struct, frozen=True):
    """What one request sends."""

    type: str
    transaction_id: str
    contents: Contents


class ToDeviceWriter:
    """Writes to SendToDevice."""

    def __init__(self, log: Log, devices: Devices, server_name: ServerName) -> None:
        self._log: Final = log
        self._devices: Final = devices
        self._server_name: Final = server_name

    async def send(self, requester: Requester, new: NewMessages) -> str:
        """Write messages, and return their ID; what begins to /sync from now on has them.

        Local devices are those that there are now: messages to others are dropped. Messages to
        other servers wait in the log. Raises `TooLarge`, `LogOutage` and `Unavailable`.
        """
        message_id = secrets.token_urlsafe(12)
        numbers = await self._numbers(new.contents)
        records = [
            MessagesSent(
                user_id=user_id,
                sender=requester.user_id,
                type=new.type,
                message_id=message_id,
                messages=messages,
                device_id=requester.device_id,
                device_number=requester.device_number,
                transaction_id=new.transaction_id,
            )
            for user_id, contents in new.contents.items()
            if (messages := list(_messages(contents, numbers.get(user_id))))
        ]
        if records:
            await self._append(records)
        return message_id

    async def _append(self, records: list[MessagesSent]) -> None:
        outgoing = [Outgoing(one.user_id, SEND_TO_DEVICE.encode(one)) for one in records]
        try:
            await self._log.append(SEND_TO_DEVICE.name, outgoing)
        except RecordTooLarge as error:
            raise TooLarge("The messages to one user are too large together.") from error

    async def _numbers(self, contents: Contents) -> dict[UserID, dict[str, int]]:
        """Return by local user the devices that there are, each with its number."""
        local = [user_id for user_id in contents if server_of(user_id) == self._server_name]
        numbers: dict[UserID, dict[str, int]] = {user_id: {} for user_id in local}
        if local:
            for known in await self._devices.query_devices_of(user_ids=local):
                numbers[known.user_id][known.device_id] = known.number
        return numbers


def _messages(
    contents: Mapping[str, bytes], numbers: Mapping[str, int] | None
) -> Iterator[DeviceMessage]:
    """Give the messages to one user; without numbers, a remote one."""
    if numbers is None:
        for device_id, content in contents.items():
            yield DeviceMessage(device_id, content)
        return
    for device_id, number in numbers.items():
        own = contents.get(device_id) or contents.get(ALL_DEVICES)
        if own is not None:
            yield DeviceMessage(device_id, own, number)
