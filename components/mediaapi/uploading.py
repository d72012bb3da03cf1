"""Takes uploads, directly or for media that was created before."""

import secrets
from collections import Counter
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import msgspec

from base.clock import Clock
from base.tasks import to_its_end
from components.mediaapi.files.interface import MediaFiles, WrittenFile
from components.mediaapi.settings import MediaApiSettings
from components.mediaapi.store.media import (
    MediaStore,
    MediaTaken,
    QuotaReached,
    TooManyPending,
    Upload,
)
from components.mediaapi.waiting import PendingWaits
from matrix.errors import (
    CannotOverwriteMedia,
    Forbidden,
    LimitExceeded,
    NotFound,
    TooLarge,
    Unavailable,
)
from matrix.identifiers import UserID

_ID_BYTES: Final = 18
_COME_BACK_MS: Final = 5000


class UploadFacts(msgspec.Struct, frozen=True):
    """What a client says of an upload."""

    user_id: UserID
    content_type: str
    upload_name: str | None
    announced_bytes: int | None
    """Its length, where that is known before."""


class UploadService:
    """Writes the bytes first, and then the index: what is known is there."""

    def __init__(
        self,
        *,
        store: MediaStore,
        files: MediaFiles,
        waits: PendingWaits,
        clock: Clock,
        settings: MediaApiSettings,
    ) -> None:
        self._store = store
        self._files = files
        self._waits = waits
        self._clock = clock
        self._settings = settings
        self._running: Counter[UserID] = Counter()

    @property
    def running(self) -> int:
        """How many uploads are under way."""
        return self._running.total()

    async def perform_upload(self, facts: UploadFacts, pieces: AsyncIterable[bytes]) -> str:
        """Store an upload durably and return its media ID.

        Raises `Forbidden` where the quota is reached, `LimitExceeded` where too many uploads are
        under way, `Unavailable`, and what the pieces raise.
        """
        upload = self._upload(_new_id(), facts)
        await self._store_upload(facts, upload, pieces, is_new=True)
        return upload.media_id

    async def perform_create(self, user_id: UserID) -> tuple[str, int]:
        """Return a new media ID, and until when its content has to be uploaded.

        Raises `LimitExceeded` where too much media of the user is not uploaded yet.
        """
        now_ms = self._clock.now_ms()
        expires_at_ms = now_ms + int(self._settings.pending_lifetime_s * 1000)
        upload = Upload(_new_id(), user_id, "", None, self._settings.open_downloads)
        try:
            await self._store.insert_pending(
                upload,
                now_ms=now_ms,
                expires_at_ms=expires_at_ms,
                pending_max=self._settings.pending_per_user,
            )
        except TooManyPending as error:
            raise LimitExceeded(
                _COME_BACK_MS, "Too much media was created and not uploaded."
            ) from error
        return upload.media_id, expires_at_ms

    async def perform_upload_created(
        self, facts: UploadFacts, media_id: str, pieces: AsyncIterable[bytes]
    ) -> None:
        """Store the content of media that this user created.

        Raises as `perform_upload`; `Forbidden` for media of others, `NotFound` for what is not
        known or expired, `CannotOverwriteMedia` where there is content.
        """
        found = await self._store.select_media(media_id)
        if found is None:
            raise NotFound("There is no such media.")
        if found.user_id != facts.user_id:
            raise Forbidden("This media was created by another user.")
        if found.file is not None:
            raise CannotOverwriteMedia
        if (found.expires_at_ms or 0) <= self._clock.now_ms():
            raise NotFound("The time to upload this media is over.")
        await self._store_upload(facts, self._upload(media_id, facts), pieces, is_new=False)
        self._waits.uploaded(media_id)

    def _upload(self, media_id: str, facts: UploadFacts) -> Upload:
        return Upload(
            media_id,
            facts.user_id,
            facts.content_type,
            facts.upload_name,
            self._settings.open_downloads,
        )

    async def _store_upload(
        self, facts: UploadFacts, upload: Upload, pieces: AsyncIterable[bytes], *, is_new: bool
    ) -> None:
        if (facts.announced_bytes or 0) > self._settings.max_upload_bytes:
            raise TooLarge("The upload is larger than this server takes.")
        with self._counted(facts.user_id):
            await self._check_quota(facts)
            written = await self._files.write(pieces)
            await to_its_end(self._index(upload, written, is_new=is_new))

    @contextmanager
    def _counted(self, user_id: UserID) -> Iterator[None]:
        at_once = self._settings.uploads_at_once_per_user
        if self._running[user_id] >= at_once or self.running >= self._settings.uploads_at_once:
            raise LimitExceeded(_COME_BACK_MS, "Too many uploads are under way.")
        self._running[user_id] += 1
        try:
            yield
        finally:
            self._running[user_id] -= 1
            if not self._running[user_id]:
                del self._running[user_id]

    async def _check_quota(self, facts: UploadFacts) -> None:
        """Refuse what is over the quota before it is sent, where that is known."""
        quota = self._settings.quota_bytes_per_user
        if quota is None:
            return
        if await self._store.select_usage(facts.user_id) + (facts.announced_bytes or 0) > quota:
            raise _quota_reached()

    async def _index(self, upload: Upload, written: WrittenFile, *, is_new: bool) -> None:
        """Put a file into the index; delete it where it is not wanted.

        Where the transaction fails nobody knows whether it happened. The file stays then, and is
        deleted later if nothing refers to it (`sweeping`).
        """
        try:
            if is_new:
                now_ms = self._clock.now_ms()
                kept = await self._store.insert_uploaded(upload, written, now_ms=now_ms)
            else:
                kept = await self._store.update_uploaded(upload, written)
        except QuotaReached as error:
            await self._drop(written)
            raise _quota_reached() from error
        except MediaTaken as error:
            await self._drop(written)
            raise CannotOverwriteMedia from error
        if kept != written.name:
            await self._drop(written)

    async def _drop(self, written: WrittenFile) -> None:
        with suppress(Unavailable):
            await self._files.delete([written.name])


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)


def _quota_reached() -> Forbidden:
    return Forbidden("You have uploaded as much as you may.")
