"""What administrators do: look users up, lock and suspend them."""

from functools import partial
from typing import Any, Final

from base.http import Request, Response, Router, json_response
from components.userapi.administration import AdministrationService, locked, suspended
from components.userapi.store.devices import Device
from internalapi.userapi import Requester
from requesting.requesters import Requesters

_V1: Final = "/_matrix/client/v1"
_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)


class AdminRoutes:
    """The endpoints of administrators. Users look themselves up."""

    def __init__(self, *, requesters: Requesters, administration: AdministrationService) -> None:
        self._requesters = requesters
        self._administration = administration

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.get(
            f"{_V3}/admin/whois/{{user_id}}", by_user(self._whois, suspended=True), versions=_R0
        )
        router.get(f"{_V1}/admin/lock/{{user_id}}", by_user(self._is_locked))
        router.put(f"{_V1}/admin/lock/{{user_id}}", by_user(self._lock))
        router.get(f"{_V1}/admin/suspend/{{user_id}}", by_user(self._is_suspended))
        router.put(f"{_V1}/admin/suspend/{{user_id}}", by_user(self._suspend))

    async def _whois(self, request: Request, requester: Requester) -> Response:
        user_id, devices = await self._administration.query_devices(
            requester, request.path["user_id"]
        )
        return json_response(
            {
                "user_id": user_id,
                "devices": {
                    device.device_id: {"sessions": [{"connections": [_connection(device)]}]}
                    for device in devices
                },
            }
        )

    async def _is_locked(self, request: Request, requester: Requester) -> Response:
        status = await self._administration.query_status(requester, request.path["user_id"])
        return json_response({"locked": status.is_locked})

    async def _lock(self, request: Request, requester: Requester) -> Response:
        is_locked = (await request.fields()).boolean("locked")
        status = await self._administration.perform_change_status(
            requester, request.path["user_id"], partial(locked, is_locked=is_locked)
        )
        return json_response({"locked": status.is_locked})

    async def _is_suspended(self, request: Request, requester: Requester) -> Response:
        status = await self._administration.query_status(requester, request.path["user_id"])
        return json_response({"suspended": status.is_suspended})

    async def _suspend(self, request: Request, requester: Requester) -> Response:
        is_suspended = (await request.fields()).boolean("suspended")
        status = await self._administration.perform_change_status(
            requester, request.path["user_id"], partial(suspended, is_suspended=is_suspended)
        )
        return json_response({"suspended": status.is_suspended})


def _connection(device: Device) -> dict[str, Any]:
    connection: dict[str, Any] = {"last_seen": device.last_seen_ms}
    if device.last_seen_address is not None:
        connection["ip"] = device.last_seen_address
    if device.last_seen_user_agent is not None:
        connection["user_agent"] = device.last_seen_user_agent
    return connection
