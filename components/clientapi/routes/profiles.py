"""Setting profile fields."""

from base.http import Request, Response, Router, empty_response
from components.clientapi.profiles.changes import ProfileChanges
from components.clientapi.routes.answers import R0, V3
from internalapi.userapi import Requester
from matrix.errors import GuestAccessForbidden, MissingParam
from requesting.requesters import Requesters


class ProfileRoutes:
    """The endpoints that change a profile; reading one is the user API's."""

    def __init__(self, *, requesters: Requesters, changes: ProfileChanges) -> None:
        self._requesters = requesters
        self._changes = changes

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        field = f"{V3}/profile/{{user_id}}/{{field}}"
        router.put(field, by_user(self._put, guests=True, limited=True, owner=True), versions=R0)
        router.delete(field, by_user(self._delete, limited=True, owner=True), versions=R0)

    async def _put(self, request: Request, requester: Requester) -> Response:
        field = request.path["field"]
        if requester.is_guest and field != "displayname":
            raise GuestAccessForbidden("Guests have a display name only.")
        body = await request.json_object()
        if field not in body:
            raise MissingParam(f"The field {field} is missing.")
        await self._changes.set(requester.user_id, field, body[field])
        return empty_response()

    async def _delete(self, request: Request, requester: Requester) -> Response:
        await self._changes.remove(requester.user_id, request.path["field"])
        return empty_response()
