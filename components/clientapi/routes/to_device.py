"""Messages to devices."""

from typing import Any, Final

import orjson

from base.http import Request, Response, Router, empty_response
from components.clientapi.rates import ClientApiRates
from components.clientapi.routes.answers import R0, V3
from components.clientapi.to_device.writer import Contents, NewMessages, ToDeviceWriter
from internalapi.userapi import Requester
from matrix.errors import BadJson, InvalidParam, TooLarge
from matrix.identifiers import parse_user_id
from requesting.requesters import Requesters
from requesting.transactions import Transactions

_CHARACTERS_MAX: Final = 255
_CONTENT_BYTES_MAX: Final = 65_536


class ToDeviceRoutes:
    """The endpoint by which devices send to devices."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        writer: ToDeviceWriter,
        transactions: Transactions[str],
        rates: ClientApiRates,
        max_users: int,
    ) -> None:
        self._requesters = requesters
        self._writer = writer
        self._transactions = transactions
        self._rates = rates
        self._max_users = max_users

    def add_to(self, router: Router) -> None:
        """Add the route."""
        # Who is suspended may verify their other devices, and guests may read encrypted rooms.
        router.put(
            f"{V3}/sendToDevice/{{event_type}}/{{transaction_id}}",
            self._requesters.by_user(self._send, guests=True, suspended=True),
            versions=R0,
        )

    async def _send(self, request: Request, requester: Requester) -> Response:
        event_type = _bounded(request.path["event_type"], "The event type")
        transaction_id = _bounded(request.path["transaction_id"], "The transaction ID")
        messages = (await request.fields()).json_object("messages")
        if len(messages) > self._max_users:
            raise InvalidParam(f"These are more than {self._max_users} users at once.")
        new = NewMessages(event_type, transaction_id, _contents(messages))
        self._rates.check_to_device(requester.user_id)
        # A repeat that comes to another process, or later, is known to those who read the log.
        device = (requester.user_id, requester.device_id, requester.device_number)
        await self._transactions.once(
            (device, event_type, transaction_id), lambda: self._writer.send(requester, new)
        )
        return empty_response()


def _bounded(text: str, what: str) -> str:
    if len(text) > _CHARACTERS_MAX:
        raise InvalidParam(f"{what} is longer than {_CHARACTERS_MAX} characters.")
    return text


def _contents(messages: dict[str, Any]) -> Contents:
    return {
        parse_user_id(user_id): _contents_of(user_id, devices)
        for user_id, devices in messages.items()
    }


def _contents_of(user_id: str, devices: object) -> dict[str, bytes]:
    if not isinstance(devices, dict):
        raise BadJson(f"What is for {user_id} is not an object.")
    contents: dict[str, bytes] = {}
    for device_id, content in devices.items():
        if not isinstance(content, dict):
            raise BadJson(f"The message to a device of {user_id} is not an object.")
        encoded = orjson.dumps(content)
        if len(encoded) > _CONTENT_BYTES_MAX:
            raise TooLarge(f"The message to a device of {user_id} is over {_CONTENT_BYTES_MAX} B.")
        contents[_bounded(device_id, "A device ID")] = encoded
    return contents
