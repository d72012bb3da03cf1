"""Dehydrated devices (MSC3814), which the specification does not have yet.

What was sent to them is client sync's.
"""

from typing import Final

from base.http import Fields, Request, Response, Router, json_response
from components.keyserver.dehydrated_devices import DehydratedDeviceService, DehydratedUpload
from internalapi.userapi import Requester
from matrix.errors import BadJson, InvalidParam, NotFound
from matrix.identifiers import DeviceID
from requesting.requesters import Requesters

_UNSTABLE: Final = "/_matrix/client/unstable"
_PATH: Final = f"{_UNSTABLE}/org.matrix.msc3814.v1/dehydrated_device"
_FORMER: Final = f"{_UNSTABLE}/org.matrix.msc2697.v2/dehydrated_device"
_DEVICE_ID_BYTES_MAX: Final = 255
_DISPLAY_NAME_BYTES_MAX: Final = 1024


class DehydratedDeviceRoutes:
    """The endpoints of a user's dehydrated device."""

    def __init__(self, *, requesters: Requesters, devices: DehydratedDeviceService) -> None:
        self._requesters = requesters
        self._devices = devices

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.get(_PATH, by_user(self._get, suspended=True))
        router.put(_PATH, by_user(self._put, suspended=True))
        router.delete(_PATH, by_user(self._delete, suspended=True))
        router.get(_FORMER, by_user(self._none, suspended=True))

    async def _get(self, _request: Request, requester: Requester) -> Response:
        device = await self._devices.query_device(requester.user_id)
        return json_response(device._asdict())

    async def _put(self, request: Request, requester: Requester) -> Response:
        body = await request.fields()
        upload = _upload(body)
        await self._devices.perform_upload(requester.user_id, upload)
        return json_response({"device_id": upload.device_id})

    async def _delete(self, _request: Request, requester: Requester) -> Response:
        return json_response({"device_id": await self._devices.perform_remove(requester.user_id)})

    async def _none(self, _request: Request, _requester: Requester) -> Response:
        """Answer for devices of the kind from before (MSC2697), which clients still ask for."""
        raise NotFound("You have no dehydrated device.")


def _upload(body: Fields) -> DehydratedUpload:
    device_data = body.json_object("device_data")
    if type(device_data.get("algorithm")) is not str:
        raise BadJson("The data of the device names no algorithm.")
    device_id = _checked(body.string("device_id"), "device_id", _DEVICE_ID_BYTES_MAX)
    if not device_id:
        raise InvalidParam("The device_id is empty.")
    name = body.optional_string("initial_device_display_name")
    if name is not None:
        _checked(name, "initial_device_display_name", _DISPLAY_NAME_BYTES_MAX)
    return DehydratedUpload(
        device_id=DeviceID(device_id),
        display_name=name,
        device_data=device_data,
        device_keys=body.json_object("device_keys"),
        one_time_keys=body.optional_json_object("one_time_keys") or {},
        fallback_keys=body.optional_json_object("fallback_keys") or {},
    )


def _checked(text: str, what: str, bytes_max: int) -> str:
    if "\0" in text or len(text.encode()) > bytes_max:
        raise InvalidParam(f"The {what} has a NUL in it or is longer than {bytes_max} bytes.")
    return text
