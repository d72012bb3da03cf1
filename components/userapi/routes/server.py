"""What the server is and can do, and lists that are empty for now."""

from collections.abc import Mapping
from typing import Any, Final

from base.http import Request, Response, Router, empty_response, json_response
from components.userapi.pages import welcome_page
from components.userapi.settings import UserApiSettings
from internalapi.userapi import Requester
from matrix.errors import NotFound
from matrix.room_versions import ROOM_VERSIONS
from requesting.requesters import Requesters

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)
_SPEC_VERSIONS: Final = ("r0.5.0", "r0.6.0", "r0.6.1", "v1.1")
"""A client may count on all of a version that stands here: later ones come with their endpoints."""
_FEATURES: Final = {
    "com.beeper.msc4169": True,  # v1.18: redactions are sent like messages
    "org.matrix.e2e_cross_signing": True,  # v1.1: keys by which devices and users are verified
    "org.matrix.msc2285.stable": True,  # v1.4: private receipts
    "org.matrix.msc2432": True,  # r0.6.1: the aliases of a room on its server
    "org.matrix.msc3030": True,  # v1.6: events by their time
    "org.matrix.msc3266": True,  # v1.15: summaries of rooms
    "org.matrix.msc3440.stable": True,  # v1.4: threads
    "org.matrix.msc3715.stable": True,  # v1.4: relations in both directions
    "org.matrix.msc3771": True,  # v1.4: receipts of threads
    "org.matrix.msc3773": True,  # v1.4: what is unread by thread
    "org.matrix.msc3814": True,  # dehydrated devices
    "org.matrix.msc3827.stable": True,  # v1.4: public rooms by their type
    "org.matrix.msc3856.stable": True,  # v1.4: the list of threads
    "org.matrix.msc3916.stable": True,  # v1.11: media for those with access tokens
    "org.matrix.msc3952_intentional_mentions": True,  # v1.7: mentions that the sender names
    "org.matrix.msc3981": True,  # v1.10: relations of relations
    "org.matrix.msc4222": True,  # v1.16: state at the end of the timeline
    "org.matrix.msc4380.stable": True,  # users who block invites
    "uk.half-shot.msc2666.query_mutual_rooms": True,  # rooms shared with another user
    "uk.half-shot.msc2666.query_mutual_rooms.stable": True,
    "uk.tcpip.msc4133": True,  # v1.16: further fields of profiles
    "uk.tcpip.msc4133.stable": True,
    "uk.timedout.msc4323": True,  # v1.18: locked and suspended accounts
}
"""Parts of later versions, by the names by which clients look for them."""


class ServerRoutes:
    """The endpoints that tell of the server."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        settings: UserApiSettings,
        default_room_version: str,
        capabilities: Mapping[str, Any],
        server_name: str,
        version: str,
    ) -> None:
        self._requesters = requesters
        self._default_room_version = default_room_version
        self._others_capabilities = capabilities
        self._well_known = settings.well_known
        self._support = settings.support
        self._is_issuing = settings.login_tokens
        self._welcome = welcome_page(
            server_name=server_name,
            version=version,
            base_url=settings.public_base_url,
            registration=settings.registration,
        )
        # v1.7: login tokens for another device of one's own
        self._features = {**_FEATURES, "org.matrix.msc3882": settings.login_tokens}

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.get("/", self._page)
        router.get("/_matrix/client/versions", self._versions)
        router.get("/.well-known/matrix/client", self._discovery)
        router.get("/.well-known/matrix/support", self._support_contacts)
        router.get(
            f"{_V3}/capabilities",
            by_user(self._capabilities, guests=True, suspended=True, limited=True),
            versions=_R0,
        )
        router.get(
            f"{_V3}/voip/turnServer",
            by_user(self._nothing, guests=True, suspended=True, limited=True),
            versions=_R0,
        )
        router.get(
            f"{_V3}/thirdparty/protocols",
            by_user(self._nothing, guests=True, suspended=True, limited=True),
            versions=_R0,
        )
        # Nobody has any while there is no push server; clients ask when they show notifications.
        router.get(f"{_V3}/pushers", by_user(self._pushers, suspended=True), versions=_R0)

    async def _page(self, _request: Request) -> Response:
        return self._welcome

    async def _versions(self, _request: Request) -> Response:
        return json_response({"versions": _SPEC_VERSIONS, "unstable_features": self._features})

    async def _discovery(self, _request: Request) -> Response:
        if self._well_known is None:
            raise NotFound
        return json_response(self._well_known)

    async def _support_contacts(self, _request: Request) -> Response:
        if self._support is None:
            raise NotFound
        return json_response(self._support)

    async def _capabilities(self, _request: Request, requester: Requester) -> Response:
        return json_response({"capabilities": self._capabilities_of(requester)})

    async def _nothing(self, _request: Request, _requester: Requester) -> Response:
        return empty_response()

    async def _pushers(self, _request: Request, _requester: Requester) -> Response:
        return json_response({"pushers": []})

    def _capabilities_of(self, requester: Requester) -> dict[str, Any]:
        is_user = {"enabled": not requester.is_guest}
        gets_tokens = {"enabled": self._is_issuing and not requester.is_guest}
        capabilities: dict[str, Any] = {
            "m.room_versions": {
                "default": self._default_room_version,
                "available": dict.fromkeys(ROOM_VERSIONS, "stable"),
            },
            "m.change_password": is_user,
            "m.set_displayname": {"enabled": True},
            "m.set_avatar_url": {"enabled": True},
            "m.profile_fields": {"enabled": True},
            "uk.tcpip.msc4133.profile_fields": {"enabled": True},
            "m.3pid_changes": {"enabled": False},
            "m.get_login_token": gets_tokens,
            "org.matrix.msc3882.get_login_token": gets_tokens,
            **self._others_capabilities,
        }
        if requester.is_admin:
            capabilities["m.account_moderation"] = {"suspend": True, "lock": True}
        return capabilities
