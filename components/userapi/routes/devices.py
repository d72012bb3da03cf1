"""The requester's devices."""

from typing import Any, Final

from base.http import Request, Response, Router, empty_response, json_response
from components.userapi.proofs import Proofs
from components.userapi.store.devices import Device, DeviceStore
from components.userapi.text import checked_name
from components.userapi.tokens import AccessTokens
from internalapi.userapi import Requester
from matrix.errors import InvalidParam, NotFound
from requesting.requesters import Requesters

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)
_DEVICES_AT_ONCE_MAX: Final = 1000
_DISPLAY_NAME_BYTES_MAX: Final = 1024


class DeviceRoutes:
    """The endpoints of devices."""

    def __init__(
        self, *, requesters: Requesters, proofs: Proofs, tokens: AccessTokens, devices: DeviceStore
    ) -> None:
        self._requesters = requesters
        self._proofs = proofs
        self._tokens = tokens
        self._store = devices

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.get(
            f"{_V3}/devices", by_user(self._devices, guests=True, suspended=True), versions=_R0
        )
        router.get(
            f"{_V3}/devices/{{device_id}}",
            by_user(self._device, guests=True, suspended=True),
            versions=_R0,
        )
        router.put(
            f"{_V3}/devices/{{device_id}}",
            by_user(self._rename_device, guests=True, suspended=True),
            versions=_R0,
        )
        router.delete(
            f"{_V3}/devices/{{device_id}}",
            by_user(self._delete_device, suspended=True),
            versions=_R0,
        )
        router.post(
            f"{_V3}/delete_devices", by_user(self._delete_devices, suspended=True), versions=_R0
        )

    async def _devices(self, _request: Request, requester: Requester) -> Response:
        devices = await self._store.select_devices(requester.user_id)
        return json_response({"devices": [_device(device) for device in devices]})

    async def _device(self, request: Request, requester: Requester) -> Response:
        device_id = checked_name(request.path["device_id"], "device_id")
        device = await self._store.select_device(requester.user_id, device_id)
        if device is None:
            raise NotFound("There is no such device.")
        return json_response(_device(device))

    async def _rename_device(self, request: Request, requester: Requester) -> Response:
        device_id = checked_name(request.path["device_id"], "device_id")
        name = (await request.fields()).optional_string("display_name")
        if name is not None:
            checked_name(name, "display_name", bytes_max=_DISPLAY_NAME_BYTES_MAX)
        if not await self._store.update_device(requester.user_id, device_id, name):
            raise NotFound("There is no such device.")
        return empty_response()

    async def _delete_device(self, request: Request, requester: Requester) -> Response:
        device_id = checked_name(request.path["device_id"], "device_id")
        body = await request.fields(allow_empty=True)
        session_id = await self._proofs.prove(body, requester, f"delete device {device_id}")
        await self._tokens.perform_logout(requester.user_id, [device_id], session_id)
        return empty_response()

    async def _delete_devices(self, request: Request, requester: Requester) -> Response:
        body = await self._proofs.recall(await request.fields())
        device_ids = sorted(
            {checked_name(one, "device_id") for one in body.list_of_strings("devices")}
        )
        if len(device_ids) > _DEVICES_AT_ONCE_MAX:
            raise InvalidParam("These are too many devices at once.")
        session_id = await self._proofs.prove(body, requester, "delete devices")
        await self._tokens.perform_logout(requester.user_id, device_ids, session_id)
        return empty_response()


def _device(device: Device) -> dict[str, Any]:
    answer: dict[str, Any] = {"device_id": device.device_id, "last_seen_ts": device.last_seen_ms}
    if device.display_name is not None:
        answer["display_name"] = device.display_name
    if device.last_seen_address is not None:
        answer["last_seen_ip"] = device.last_seen_address
    return answer
