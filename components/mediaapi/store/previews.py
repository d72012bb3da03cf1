"""Previews of URLs, with the pictures that are kept for them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, Database
from components.mediaapi.files.interface import WrittenFile
from components.mediaapi.store.kept_files import insert_file, remove_unused
from components.mediaapi.store.tables import media, previews

_AT_ONCE: Final = 100
_NOBODY: Final = ""
"""Pictures of previews count for no user."""


class NewPreview(NamedTuple):
    """A preview, as it is kept."""

    preview_id: str
    url_hash: bytes
    body: bytes
    created_at_ms: int
    expires_at_ms: int
    """When it is answered no more."""


class PreviewPicture(NamedTuple):
    """The picture of a preview."""

    media_id: str
    content_type: str


class PreviewStore:
    """Transactions over previews; what they change is durable when they return."""

    def __init__(self, database: Database, *, kept_max: int, bytes_kept_max: int) -> None:
        self._database = database
        self._kept_max = kept_max
        self._bytes_kept_max = bytes_kept_max

    async def select_preview(self, url_hash: bytes, now_ms: int) -> bytes | None:
        """Return the newest preview of a URL that has not expired."""
        query = (
            sa.select(previews.c.body)
            .where(previews.c.url_hash == url_hash, previews.c.expires_at_ms > now_ms)
            .order_by(previews.c.expires_at_ms.desc())
            .limit(1)
        )
        return await self._database.read(
            lambda connection: connection.execute(query).scalar_one_or_none()
        )

    async def insert_preview(
        self, preview: NewPreview, picture: PreviewPicture | None, written: WrittenFile | None
    ) -> str | None:
        """Keep a preview with its picture; return the file that has it, which may be another one.

        The oldest ones go where there are too many. Those who had the picture of one that goes
        have it no more.
        """

        def work(connection: Connection) -> str | None:
            size = 0 if written is None else written.size
            self._make_room(connection, size)
            name = None if written is None else insert_file(connection, written)
            if picture is not None:
                connection.execute(
                    sa.insert(media).values(
                        media_id=picture.media_id,
                        file=name,
                        content_type=picture.content_type,
                        user_id=_NOBODY,
                        created_at_ms=preview.created_at_ms,
                        is_open=False,
                    )
                )
            media_id = None if picture is None else picture.media_id
            values = preview._asdict() | {"media_id": media_id, "picture_bytes": size}
            connection.execute(sa.insert(previews).values(values))
            return name

        return await self._database.write(work, durable=True)

    def _make_room(self, connection: Connection, size: int) -> None:
        total = sa.select(sa.func.count(), sa.func.sum(previews.c.picture_bytes))
        while True:
            count, kept_bytes = connection.execute(total).one()
            if count < self._kept_max and (kept_bytes or 0) + size <= self._bytes_kept_max:
                return
            if not _delete_oldest(connection, None):
                return

    async def delete_expired(self, before_ms: int) -> bool:
        """Delete some previews that expired before then; tell whether there may be more."""
        return await self._database.write(
            lambda connection: _delete_oldest(connection, before_ms), durable=True
        )


def _delete_oldest(connection: Connection, before_ms: int | None) -> bool:
    """Delete the previews that expire first with their pictures; tell whether there were any."""
    oldest = sa.select(previews.c.preview_id, previews.c.media_id)
    if before_ms is not None:
        oldest = oldest.where(previews.c.expires_at_ms < before_ms)
    oldest = oldest.order_by(previews.c.expires_at_ms).limit(_AT_ONCE)
    # What another replica deletes at this moment is its business.
    found = connection.execute(oldest.with_for_update(skip_locked=True)).all()
    ids = [preview_id for preview_id, _ in found]
    connection.execute(sa.delete(previews).where(previews.c.preview_id.in_(ids)))
    _delete_pictures(connection, [media_id for _, media_id in found if media_id is not None])
    return bool(found)


def _delete_pictures(connection: Connection, media_ids: Sequence[str]) -> None:
    if not media_ids:
        return
    mine = media.c.media_id.in_(media_ids)
    names = connection.execute(sa.select(media.c.file).where(mine).distinct()).scalars().all()
    connection.execute(sa.delete(media).where(mine))
    remove_unused(connection, sorted(name for name in names if name is not None))
