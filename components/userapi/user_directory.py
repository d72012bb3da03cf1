"""Whom a search of the directory finds, as other components ask."""

from components.userapi.settings import DirectoryScope
from components.userapi.store.directory import UserDirectoryStore
from internalapi.userapi import FoundUsers
from matrix.identifiers import UserID, is_user_id


class UserDirectoryService:
    """`internalapi.userapi.UserDirectory`."""

    def __init__(self, store: UserDirectoryStore, scope: DirectoryScope) -> None:
        self._store = store
        self._scope = scope

    async def query_users(
        self, *, searcher: UserID, term: str, skipped: int, limit: int
    ) -> FoundUsers:
        """Return users by the words of their names, or only by their ID."""
        if self._scope != "exact":
            found = await self._store.search(term, searcher=searcher, skipped=skipped, limit=limit)
            return FoundUsers(found, are_for_all=self._scope == "all")
        is_known = is_user_id(term) and term != searcher and not skipped
        found = await self._store.select_user(UserID(term)) if is_known else []
        return FoundUsers(found, are_for_all=True)
