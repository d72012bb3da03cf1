"""The endpoint by which users find each other."""

from functools import partial
from typing import Final

import msgspec

from base.database import Database
from base.http import Request, Response, Router, json_response
from components.syncapi.memory.freshness import Freshness
from components.syncapi.rooms.acquaintances import select_acquaintances
from components.syncapi.routes.queries import RequestReading
from internalapi.userapi import FoundUser, Requester, UserDirectory
from matrix.errors import InvalidParam
from matrix.identifiers import UserID

_LIMIT: Final = 10
_LIMIT_MAX: Final = 100
_TERM_BYTES_MAX: Final = 512
_PAGE: Final = 100
_PAGES_MAX: Final = 10


class UserDirectoryRoutes:
    """Asks the user API who has such a name, and shows those whom the user can meet."""

    def __init__(
        self,
        *,
        database: Database,
        reading: RequestReading,
        freshness: Freshness,
        directory: UserDirectory,
    ) -> None:
        self._database = database
        self._reading = reading
        self._freshness = freshness
        self._directory = directory

    def add_to(self, router: Router) -> None:
        """Add the route."""
        path = "/_matrix/client/v3/user_directory/search"
        search = self._reading.requesters.by_user(self._search, suspended=True, limited=True)
        router.post(path, search, versions=("r0",))

    async def _search(self, request: Request, requester: Requester) -> Response:
        body = await request.fields()
        term = body.string("search_term").strip()
        limit = body.optional_integer("limit", _LIMIT)
        if limit < 0:
            raise InvalidParam("The limit is below 0.")
        if len(term.encode()) > _TERM_BYTES_MAX:
            raise InvalidParam("The search term is too long.")
        limit = min(limit, _LIMIT_MAX)
        # One more than asked for tells whether there are more.
        found = await self._find(requester.user_id, term, limit + 1)
        return json_response(
            {"results": msgspec.to_builtins(found[:limit]), "limited": len(found) > limit}
        )

    async def _find(self, user_id: UserID, term: str, wanted: int) -> list[FoundUser]:
        """Return the first users with such a name whom this one may find."""
        found: list[FoundUser] = []
        await self._freshness.rooms()
        for page in range(_PAGES_MAX):
            named = await self._directory.query_users(
                searcher=user_id, term=term, skipped=page * _PAGE, limit=_PAGE
            )
            others = named.users
            if others and not named.are_for_all:
                read = partial(
                    select_acquaintances, user_id=user_id, others=[one.user_id for one in others]
                )
                shown = await self._database.read(read, heavy_for=user_id)
                others = [one for one in others if one.user_id in shown]
            found += others
            if len(found) >= wanted or len(named.users) < _PAGE:
                break
        return found[:wanted]
