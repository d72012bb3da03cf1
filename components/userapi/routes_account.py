"""The requester's account and devices."""

from typing import Any, Final

from base.http import Fields, Request, Response, Router, empty_response, json_response
from components.userapi.accounts import AccountService
from components.userapi.interactive_auth import PASSWORD, InteractiveAuth
from components.userapi.logins import LoginService
from components.userapi.requesters import Requesters
from components.userapi.store.sessions import Device, SessionStore
from components.userapi.text import checked_name
from components.userapi.tokens import Tokens
from internalapi.userapi import Requester
from matrix.errors import InvalidParam, NotFound

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)
_DEVICES_AT_ONCE_MAX: Final = 1000
_DISPLAY_NAME_BYTES_MAX: Final = 1024


class AccountRoutes:
    """The endpoints of the account itself and of its devices."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        accounts: AccountService,
        tokens: Tokens,
        sessions: SessionStore,
        logins: LoginService,
        interactive_auth: InteractiveAuth,
    ) -> None:
        self._requesters = requesters
        self._accounts = accounts
        self._tokens = tokens
        self._sessions = sessions
        self._logins = logins
        self._interactive_auth = interactive_auth

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        router.get(f"{_V3}/account/whoami", self._whoami, versions=_R0)
        router.post(f"{_V3}/account/password", self._change_password, versions=_R0)
        router.get(f"{_V3}/account/3pid", self._third_party_ids, versions=_R0)
        router.get(f"{_V3}/devices", self._devices, versions=_R0)
        router.get(f"{_V3}/devices/{{device_id}}", self._device, versions=_R0)
        router.put(f"{_V3}/devices/{{device_id}}", self._rename_device, versions=_R0)
        router.delete(f"{_V3}/devices/{{device_id}}", self._delete_device, versions=_R0)
        router.post(f"{_V3}/delete_devices", self._delete_devices, versions=_R0)

    async def _whoami(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request, guests=True)
        return json_response(
            {
                "user_id": requester.user_id,
                "device_id": requester.device_id,
                "is_guest": requester.is_guest,
            }
        )

    async def _third_party_ids(self, request: Request) -> Response:
        await self._requesters.requester_of(request)
        return json_response({"threepids": []})

    async def _change_password(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request)
        body = await request.fields()
        password = body.string("new_password")
        logout_devices = body.boolean("logout_devices", default=True)
        self._accounts.check_password_strength(password)
        session_id = await self._authenticate(body, requester, "change the password")
        await self._accounts.change_password(
            requester.user_id,
            password,
            interactive_session_id=session_id,
            logout_all_but=requester.device_id if logout_devices else None,
        )
        return empty_response()

    async def _devices(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request, guests=True)
        devices = await self._sessions.select_devices(requester.user_id)
        return json_response({"devices": [_device(device) for device in devices]})

    async def _device(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request, guests=True)
        device_id = checked_name(request.path["device_id"], "device_id")
        device = await self._sessions.select_device(requester.user_id, device_id)
        if device is None:
            raise NotFound("There is no such device.")
        return json_response(_device(device))

    async def _rename_device(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request, guests=True)
        device_id = checked_name(request.path["device_id"], "device_id")
        name = (await request.fields()).optional_string("display_name")
        if name is not None:
            checked_name(name, "display_name", bytes_max=_DISPLAY_NAME_BYTES_MAX)
        if not await self._sessions.update_device(requester.user_id, device_id, name):
            raise NotFound("There is no such device.")
        return empty_response()

    async def _delete_device(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request)
        device_id = checked_name(request.path["device_id"], "device_id")
        body = await request.fields(allow_empty=True)
        session_id = await self._authenticate(body, requester, f"delete device {device_id}")
        await self._tokens.perform_logout(requester.user_id, [device_id], session_id)
        return empty_response()

    async def _delete_devices(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request)
        body = await request.fields()
        device_ids = sorted(
            {checked_name(one, "device_id") for one in body.list_of_strings("devices")}
        )
        if len(device_ids) > _DEVICES_AT_ONCE_MAX:
            raise InvalidParam("These are too many devices at once.")
        session_id = await self._authenticate(body, requester, "delete devices")
        await self._tokens.perform_logout(requester.user_id, device_ids, session_id)
        return empty_response()

    async def _authenticate(self, body: Fields, requester: Requester, operation: str) -> str | None:
        """Let the requester prove to be the user. Returns the session that the operation ends."""
        authenticated = await self._interactive_auth.authenticate(
            body.optional_object("auth"),
            operation=operation,
            user_id=requester.user_id,
            flows=[[PASSWORD]],
            checks={PASSWORD: self._logins.password_check(requester.user_id)},
        )
        return authenticated.session_id


def _device(device: Device) -> dict[str, Any]:
    answer: dict[str, Any] = {"device_id": device.device_id, "last_seen_ts": device.last_seen_ms}
    if device.display_name is not None:
        answer["display_name"] = device.display_name
    if device.last_seen_address is not None:
        answer["last_seen_ip"] = device.last_seen_address
    return answer
