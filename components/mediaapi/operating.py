"""What operators do with media: look at it, delete it, and keep it from everybody."""

import logging
from typing import Final

from base.database import DatabaseOutage
from components.mediaapi.removing import RemovedFiles
from components.mediaapi.store.operated import MediaFacts, OperatedMediaStore, PlaceAmongMedia
from matrix.errors import InvalidParam, NotFound, Unavailable
from matrix.identifiers import ServerName, UserID, parse_user_id

_HASH_BYTES: Final = 32
_log: Final = logging.getLogger(__name__)


class MediaOperatorService:
    """Media in the hands of who runs the server: all is allowed.

    Quarantine is of bytes. It holds for all media that have them, now or later, until it is lifted,
    also when all these media are deleted.
    """

    def __init__(
        self, *, server_name: ServerName, store: OperatedMediaStore, removed: RemovedFiles
    ) -> None:
        self._server_name = server_name
        self._store = store
        self._removed = removed

    async def query_media_of_user(
        self, user: str, after: str, limit: int
    ) -> tuple[list[MediaFacts], str | None]:
        """Return media of a user, the oldest first, and where the next page begins, if any."""
        found = await self._store.select_of_user(self._user_id(user), _place(after), limit + 1)
        if len(found) <= limit:
            return found, None
        last = found[limit - 1]
        return found[:limit], f"{last.created_at_ms}.{last.media_id}"

    async def query_media(self, media_id: str) -> MediaFacts:
        """Return one medium. Raises `NotFound`."""
        found = await self._store.select_facts(media_id)
        if found is None:
            raise NotFound("There is no such media.")
        return found

    async def perform_delete(self, media_id: str) -> None:
        """Delete one medium, and its file if no other has it. Raises `NotFound`."""
        if not await self._store.delete_media(media_id):
            raise NotFound("There is no such media.")
        await self._delete_files()

    async def perform_delete_of_user(self, user: str, before_ms: int | None) -> int:
        """Delete media of a user, made before then where that is given; return how many."""
        user_id = self._user_id(user)
        deleted = 0
        while count := await self._store.delete_some_of_user(user_id, before_ms):
            deleted += count
            await self._delete_files()
        return deleted

    async def query_quarantined(self, after: str, limit: int) -> tuple[list[bytes], str | None]:
        """Return hashes of quarantined bytes, and where the next page begins, if any."""
        found = await self._store.select_quarantined(_hash(after) if after else b"", limit + 1)
        return found[:limit], found[limit - 1].hex() if len(found) > limit else None

    async def perform_quarantine(self, *, media_id: str) -> int:
        """Quarantine the bytes of one medium. Raises `NotFound`, also before it is uploaded."""
        return await self._store.insert_quarantined([await self._hash_of(media_id)])

    async def perform_quarantine_of_user(self, user: str) -> int:
        """Quarantine all bytes that a user has uploaded; return how many were not."""
        return await self._store.insert_quarantined_of_user(self._user_id(user))

    async def perform_quarantine_bytes(self, sha256: str) -> int:
        """Quarantine bytes, whether anybody has uploaded them or not."""
        return await self._store.insert_quarantined([_hash(sha256)])

    async def perform_lift(self, *, media_id: str) -> int:
        """Take the bytes of one medium out of quarantine. Raises `NotFound`."""
        return await self._store.delete_quarantined([await self._hash_of(media_id)])

    async def perform_lift_of_user(self, user: str) -> int:
        """Take all bytes that a user has uploaded out of quarantine, whoever put them there."""
        return await self._store.delete_quarantined_of_user(self._user_id(user))

    async def perform_lift_bytes(self, sha256: str) -> int:
        """Take bytes out of quarantine."""
        return await self._store.delete_quarantined([_hash(sha256)])

    async def _hash_of(self, media_id: str) -> bytes:
        found = await self.query_media(media_id)
        if found.sha256 is None:
            raise NotFound("This media is not uploaded yet.")
        return found.sha256

    async def _delete_files(self) -> None:
        """Delete files that are not needed; what an outage leaves is deleted later."""
        try:
            await self._removed.delete()
        except (Unavailable, DatabaseOutage) as outage:
            _log.warning("Files of media are deleted later", extra={"reason": str(outage)})

    def _user_id(self, user: str) -> UserID:
        return parse_user_id(user if user.startswith("@") else f"@{user}:{self._server_name}")


def _place(after: str) -> PlaceAmongMedia | None:
    if not after:
        return None
    created_at_ms, _, media_id = after.partition(".")
    if not created_at_ms.isdecimal() or not created_at_ms.isascii():
        raise InvalidParam("This is where no page begins.")
    return PlaceAmongMedia(int(created_at_ms), media_id)


def _hash(sha256: str) -> bytes:
    try:
        found = bytes.fromhex(sha256)
    except ValueError as error:
        raise InvalidParam("A SHA-256 hash has 64 hexadecimal digits.") from error
    if len(found) != _HASH_BYTES:
        raise InvalidParam("A SHA-256 hash has 64 hexadecimal digits.")
    return found
