"""Cross-signing keys, and signatures that they and devices make."""

from typing import Any, Final

from base.http import Request, Response, Router, empty_response, json_response
from components.keyserver.cross_signing import CrossSigningUploads
from components.keyserver.settings import KeyServerSettings
from components.keyserver.signing import SignatureUploads
from internalapi.userapi import Requester
from matrix.errors import BadJson, TooLarge
from matrix.identifiers import UserID, parse_user_id
from requesting.requesters import Requesters

_KEYS: Final = "/_matrix/client/v3/keys"


class CrossSigningRoutes:
    """The endpoints of cross-signing."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        keys: CrossSigningUploads,
        signatures: SignatureUploads,
        settings: KeyServerSettings,
    ) -> None:
        self._requesters = requesters
        self._keys = keys
        self._signatures = signatures
        self._signatures_max = settings.users_per_request_max

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.post(f"{_KEYS}/device_signing/upload", by_user(self._upload_keys, suspended=True))
        router.post(f"{_KEYS}/signatures/upload", by_user(self._upload_signatures, suspended=True))

    async def _upload_keys(self, request: Request, requester: Requester) -> Response:
        await self._keys.perform_upload(requester, await request.fields())
        return empty_response()

    async def _upload_signatures(self, request: Request, requester: Requester) -> Response:
        signed: dict[UserID, dict[str, Any]] = {}
        for user_id, keys in (await request.json_object()).items():
            if not isinstance(keys, dict):
                raise BadJson("Signed keys are given by user and key ID.")
            signed[parse_user_id(user_id)] = keys
        if sum(map(len, signed.values())) > self._signatures_max:
            raise TooLarge(f"At most {self._signatures_max} keys are signed at once.")
        failures = await self._signatures.perform_upload(requester, signed)
        return json_response(
            {
                "failures": {
                    user_id: {target_id: refusal.body() for target_id, refusal in refused.items()}
                    for user_id, refused in failures.items()
                }
            }
        )
