"""Keys of devices: uploaded by these, asked for and claimed by others."""

from typing import Any, Final

from base.http import Fields, Request, Response, Router, json_response
from components.keyserver.checked_keys import UploadedKeys
from components.keyserver.settings import KeyServerSettings
from components.keyserver.uploads import KeyUploads
from internalapi.keyserver import UserKeys
from internalapi.userapi import Requester
from matrix.canonical import encode_canonical
from matrix.errors import BadJson, TooLarge
from matrix.identifiers import DeviceID, ServerName, UserID, parse_user_id, server_of
from requesting.requesters import Requesters

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)
_ALGORITHM_BYTES_MAX: Final = 255


class KeyRoutes:
    """The endpoints of device keys, one-time keys and fallback keys."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        uploads: KeyUploads,
        keys: UserKeys,
        server_name: ServerName,
        settings: KeyServerSettings,
    ) -> None:
        self._requesters = requesters
        self._uploads = uploads
        self._keys = keys
        self._server_name = server_name
        self._users_max = settings.users_per_request_max

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        for name, handler in (
            ("upload", self._upload),
            ("query", self._query),
            ("claim", self._claim),
        ):
            router.post(
                f"{_V3}/keys/{name}",
                self._requesters.by_user(handler, guests=True, suspended=True),
                versions=_R0,
            )

    async def _upload(self, request: Request, requester: Requester) -> Response:
        body = await request.fields()
        counts = await self._uploads.perform_upload(
            requester,
            UploadedKeys(
                body.optional_json_object("device_keys"),
                body.optional_json_object("one_time_keys") or {},
                body.optional_json_object("fallback_keys") or {},
            ),
        )
        return json_response({"one_time_key_counts": counts})

    async def _query(self, request: Request, requester: Requester) -> Response:
        asked = self._by_user(await request.fields(), "device_keys")
        wanted: dict[UserID, list[DeviceID]] = {}
        for user_id, device_ids in asked.items():
            if not isinstance(device_ids, list) or any(type(one) is not str for one in device_ids):
                raise BadJson(f"The devices of {user_id} are not a list of strings.")
            wanted[user_id] = [DeviceID(one) for one in device_ids]
        local, failures = self._split(wanted)
        found = await self._keys.query_keys(wanted=local, requester=requester.user_id)
        answer = {
            "device_keys": found.device_keys,
            "failures": failures,
            "master_keys": found.master_keys,
            "self_signing_keys": found.self_signing_keys,
            "user_signing_keys": found.user_signing_keys,
        }
        # What is stored has a canonical form; clients make it themselves to check signatures.
        return json_response(answer)

    async def _claim(self, request: Request, _requester: Requester) -> Response:
        asked = self._by_user(await request.fields(), "one_time_keys")
        wanted: dict[UserID, dict[DeviceID, str]] = {}
        for user_id, devices in asked.items():
            if not isinstance(devices, dict):
                raise BadJson(f"The devices of {user_id} are not an object.")
            wanted[user_id] = {
                DeviceID(device_id): algorithm
                for device_id, algorithm in devices.items()
                if _is_name(device_id) and _is_algorithm(algorithm)
            }
        if sum(map(len, wanted.values())) > self._users_max:
            raise TooLarge(f"At most {self._users_max} keys are claimed at once.")
        local, failures = self._split(wanted)
        claimed = await self._keys.perform_claim(wanted=local)
        return json_response(encode_canonical({"one_time_keys": claimed, "failures": failures}))

    def _by_user(self, body: Fields, name: str) -> dict[UserID, Any]:
        asked = body.json_object(name)
        if len(asked) > self._users_max:
            raise TooLarge(f"At most {self._users_max} users are asked for at once.")
        return {parse_user_id(user_id): value for user_id, value in asked.items()}

    def _split(self, wanted: dict[UserID, Any]) -> tuple[dict[UserID, Any], dict[str, Any]]:
        """Return what is of users of this server, and a failure for each other server."""
        local: dict[UserID, Any] = {}
        failures: dict[str, Any] = {}
        for user_id, value in wanted.items():
            server_name = server_of(user_id)
            if server_name == self._server_name:
                local[user_id] = value
            else:
                failures[server_name] = {
                    "status": 503,
                    "errcode": "M_UNKNOWN",
                    "error": "Other servers cannot be asked.",
                }
        return local, failures


def _is_name(text: str) -> bool:
    return "\0" not in text


def _is_algorithm(value: Any) -> bool:
    if type(value) is not str:
        raise BadJson("The algorithm of a claim is not a string.")
    return _is_name(value) and len(value.encode()) <= _ALGORITHM_BYTES_MAX
