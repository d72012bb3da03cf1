"""POST /dehydrated_device/{device_id}/events (MSC3814).

The device is the user API's, its keys are the key server's.
"""

from typing import Final

import orjson

from base.http import Request, Response, Router, json_response
from components.syncapi.memory.freshness import Freshness
from components.syncapi.store.to_device import TargetDevice
from components.syncapi.sync.dehydrated_devices import DehydratedMessages
from internalapi.userapi import DehydratedDevices, Requester
from matrix.errors import Forbidden
from requesting.requesters import Requesters

_PATH: Final = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{device_id}/events"


class DehydratedMessageRoutes:
    """The endpoint by which a client gets what its user's dehydrated device was sent."""

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
        router.post(_PATH, self._requesters.by_user(self._events, suspended=True))

    async def _events(self, request: Request, requester: Requester) -> Response:
        token = (await request.fields(allow_empty=True)).optional_string("next_batch")
        device = await self._devices.query_dehydrated_device(user_id=requester.user_id)
        if device is None or device.device_id != request.path["device_id"]:
            raise Forbidden("This is not your dehydrated device.")
        await self._freshness.everything()
        batch = await self._messages.query_batch(
            TargetDevice(device.user_id, device.device_id, device.number), token
        )
        return json_response(
            b'{"events":[%b],"next_batch":%b}'
            % (b",".join(batch.events), orjson.dumps(batch.next_batch))
        )
