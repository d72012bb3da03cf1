"""What a dehydrated device was sent (MSC3814): by POST as in its text, by GET as newer clients ask.

The device is the user API's, its keys are the key server's.
"""

from collections.abc import Sequence
from typing import Final

import orjson

from base.http import Request, Response, Router, json_response
from components.syncapi.memory.freshness import Freshness
from components.syncapi.store.to_device import TargetDevice
from components.syncapi.sync.dehydrated_devices import DehydratedMessages, MessageBatch
from internalapi.userapi import DehydratedDevices, Requester
from matrix.errors import Forbidden
from requesting.requesters import Requesters

_PATH: Final = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{device_id}/events"


class DehydratedMessageRoutes:
    """The endpoints by which a client gets what its user's dehydrated device was sent."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        freshness: Freshness,
        devices: DehydratedDevices,
        messages: DehydratedMessages,
    ) -> None:
        self._requesters: Final = requesters
        self._freshness: Final = freshness
        self._devices: Final = devices
        self._messages: Final = messages

    def add_to(self, router: Router) -> None:
        """Add the route."""
        router.post(_PATH, self._requesters.by_user(self._post, suspended=True))
        router.get(_PATH, self._requesters.by_user(self._get, suspended=True))

    async def _post(self, request: Request, requester: Requester) -> Response:
        """Answer with a token always: the end is an answer without events."""
        token = (await request.fields(allow_empty=True)).optional_string("next_batch")
        batch = await self._batch(request, requester, token)
        return json_response(_body(batch.events, batch.next_batch))

    async def _get(self, request: Request, requester: Requester) -> Response:
        """Answer with a token while there are more: the end is an answer without one."""
        batch = await self._batch(request, requester, request.query_str("from"))
        return json_response(_body(batch.events, batch.next_batch if batch.has_more else None))

    async def _batch(
        self, request: Request, requester: Requester, token: str | None
    ) -> MessageBatch:
        device = await self._devices.query_dehydrated_device(user_id=requester.user_id)
        if device is None or device.device_id != request.path["device_id"]:
            raise Forbidden("This is not your dehydrated device.")
        await self._freshness.everything()
        return await self._messages.query_batch(
            TargetDevice(device.user_id, device.device_id, device.number), token
        )


def _body(events: Sequence[bytes], next_batch: str | None) -> bytes:
    end = b"" if next_batch is None else b',"next_batch":%b' % orjson.dumps(next_batch)
    return b'{"events":[%b]%b}' % (b",".join(events), end)
