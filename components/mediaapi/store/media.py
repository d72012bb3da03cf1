"""Media as the index has it: who uploaded what, and in which file it is."""

from collections.abc import Collection
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from base.database import Connection, Database, insert
from components.mediaapi.files.interface import WrittenFile
from components.mediaapi.store.kept_files import insert_file
from components.mediaapi.store.tables import files, media, quarantined, removed_files, usage

_AT_ONCE: Final = 500


class StoredMedia(msgspec.Struct, frozen=True):
    """Media with its file."""

    media_id: str
    user_id: str
    content_type: str
    upload_name: str | None
    expires_at_ms: int | None
    is_open: bool
    file: str | None
    """`None` until it is uploaded."""
    size: int
    is_quarantined: bool
    """Whether nobody gets it."""


class Upload(msgspec.Struct, frozen=True):
    """What is said of an upload."""

    media_id: str
    user_id: str
    content_type: str
    upload_name: str | None
    is_open: bool


class QuotaReached(Exception):
    """With this upload the user would have more than allowed."""


class MediaTaken(Exception):
    """There is content already, or nothing to give content to."""


class TooManyPending(Exception):
    """The user has as much media that is not uploaded as allowed."""


_FOUND: Final = sa.select(
    media.c.media_id,
    media.c.user_id,
    media.c.content_type,
    media.c.upload_name,
    media.c.expires_at_ms,
    media.c.is_open,
    media.c.file,
    sa.func.coalesce(files.c.size, 0).label("size"),
    sa.exists().where(quarantined.c.sha256 == files.c.sha256).label("is_quarantined"),
).select_from(media.outerjoin(files, files.c.name == media.c.file))


class MediaStore:
    """Transactions over the index; what they change is durable when they return."""

    def __init__(self, database: Database, *, quota_bytes: int | None) -> None:
        self._database = database
        self._quota_bytes = quota_bytes

    async def select_media(self, media_id: str) -> StoredMedia | None:
        """Return media, uploaded or not."""
        query = _FOUND.where(media.c.media_id == media_id)

        def select(connection: Connection) -> StoredMedia | None:
            row = connection.execute(query).first()
            return None if row is None else StoredMedia(*row)

        return await self._database.read(select)

    async def select_usage(self, user_id: str) -> int:
        """Return the size of all that a user has uploaded."""
        query = sa.select(usage.c.bytes).where(usage.c.user_id == user_id)
        return await self._database.read(
            lambda connection: connection.execute(query).scalar_one_or_none() or 0
        )

    async def insert_pending(
        self, upload: Upload, *, now_ms: int, expires_at_ms: int, pending_max: int
    ) -> None:
        """Keep media that is uploaded later. Raises `TooManyPending`."""
        count = (
            sa.select(sa.func.count())
            .select_from(media)
            .where(
                media.c.user_id == upload.user_id,
                media.c.file.is_(None),
                media.c.expires_at_ms > now_ms,
            )
        )
        values = _values(upload, now_ms) | {"expires_at_ms": expires_at_ms}

        def work(connection: Connection) -> None:
            _lock_usage(connection, upload.user_id)
            if connection.execute(count).scalar_one() >= pending_max:
                raise TooManyPending
            connection.execute(sa.insert(media).values(values))

        await self._database.write(work, durable=True)

    async def insert_uploaded(self, upload: Upload, written: WrittenFile, *, now_ms: int) -> str:
        """Keep media with its file; return the file that has its bytes, which may be another one.

        Raises `QuotaReached`.
        """

        def work(connection: Connection) -> str:
            self._count(connection, upload.user_id, written.size)
            name = insert_file(connection, written)
            values = _values(upload, now_ms) | {"file": name}
            connection.execute(sa.insert(media).values(values))
            return name

        return await self._database.write(work, durable=True)

    async def update_uploaded(self, upload: Upload, written: WrittenFile) -> str:
        """Give pending media its file; return as `insert_uploaded` does.

        Raises `QuotaReached`, and `MediaTaken` where none of this user is pending.
        """

        def work(connection: Connection) -> str:
            self._count(connection, upload.user_id, written.size)
            name = insert_file(connection, written)
            changed = connection.execute(
                sa.update(media)
                .where(
                    media.c.media_id == upload.media_id,
                    media.c.user_id == upload.user_id,
                    media.c.file.is_(None),
                )
                .values(
                    file=name,
                    content_type=upload.content_type,
                    upload_name=upload.upload_name,
                    is_open=upload.is_open,
                    expires_at_ms=None,
                )
            )
            if changed.rowcount == 0:
                raise MediaTaken
            return name

        return await self._database.write(work, durable=True)

    def _count(self, connection: Connection, user_id: str, size: int) -> None:
        used = _lock_usage(connection, user_id) + size
        if self._quota_bytes is not None and used > self._quota_bytes:
            raise QuotaReached
        mine = usage.c.user_id == user_id
        connection.execute(sa.update(usage).where(mine).values(bytes=used))

    async def delete_expired(self, before_ms: int) -> bool:
        """Delete some media that was never uploaded; tell whether there may be more."""
        expired = (
            sa.select(media.c.media_id)
            .where(media.c.file.is_(None), media.c.expires_at_ms < before_ms)
            .limit(_AT_ONCE)
        )
        statement = sa.delete(media).where(media.c.media_id.in_(expired))
        deleted = await self._database.write(
            lambda connection: connection.execute(statement).rowcount
        )
        return deleted == _AT_ONCE

    async def select_unknown_files(self, names: Collection[str]) -> list[str]:
        """Return those of the files that are in no table."""
        unknown: list[str] = []
        given = list(names)
        for start in range(0, len(given), _AT_ONCE):
            part = given[start : start + _AT_ONCE]
            known = await self._database.read(partial(_select_known, names=part))
            unknown.extend(name for name in part if name not in known)
        return unknown

    async def select_removed_files(self) -> list[str]:
        """Return some files that no media has any more, and that are still to be deleted."""
        query = sa.select(removed_files.c.name).limit(_AT_ONCE)
        return await self._database.read(
            lambda connection: list(connection.execute(query).scalars())
        )

    async def delete_removed_files(self, names: Collection[str]) -> None:
        """Forget files that were deleted."""
        statement = sa.delete(removed_files).where(removed_files.c.name.in_(list(names)))
        await self._database.write(lambda connection: connection.execute(statement))


def _select_known(connection: Connection, names: Collection[str]) -> set[str]:
    query = sa.select(files.c.name).where(files.c.name.in_(names))
    return set(connection.execute(query).scalars())


def _values(upload: Upload, now_ms: int) -> dict[str, Any]:
    return {**msgspec.structs.asdict(upload), "created_at_ms": now_ms}


def _lock_usage(connection: Connection, user_id: str) -> int:
    """Return how much a user has uploaded; another upload of theirs waits for this one."""
    statement = insert(connection, usage).values(user_id=user_id, bytes=0).on_conflict_do_nothing()
    connection.execute(statement)
    query = sa.select(usage.c.bytes).where(usage.c.user_id == user_id).with_for_update()
    used: int = connection.execute(query).scalar_one()
    return used
