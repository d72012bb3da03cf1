"""What operators look up, delete and quarantine in the index of media."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from base.database import Connection, Database, insert
from components.mediaapi.store.kept_files import remove_unused
from components.mediaapi.store.tables import files, media, quarantined, usage

_AT_ONCE: Final = 500


class MediaFacts(msgspec.Struct, frozen=True):
    """All that the index has of one medium."""

    media_id: str
    user_id: str
    content_type: str
    upload_name: str | None
    created_at_ms: int
    is_open: bool
    size: int | None
    """`None` until it is uploaded, as the hash."""
    sha256: bytes | None
    is_quarantined: bool


class PlaceAmongMedia(NamedTuple):
    """Where a medium is among those of its user."""

    created_at_ms: int
    media_id: str


_FACTS: Final = sa.select(
    media.c.media_id,
    media.c.user_id,
    media.c.content_type,
    media.c.upload_name,
    media.c.created_at_ms,
    media.c.is_open,
    files.c.size,
    files.c.sha256,
    sa.exists().where(quarantined.c.sha256 == files.c.sha256).label("is_quarantined"),
).select_from(media.outerjoin(files, files.c.name == media.c.file))


class OperatedMediaStore:
    """Transactions of operators; what they change is durable when they return."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def select_facts(self, media_id: str) -> MediaFacts | None:
        """Return one medium."""
        query = _FACTS.where(media.c.media_id == media_id)

        def select(connection: Connection) -> MediaFacts | None:
            row = connection.execute(query).first()
            return None if row is None else MediaFacts(*row)

        return await self._database.read(select)

    async def select_of_user(
        self, user_id: str, after: PlaceAmongMedia | None, limit: int
    ) -> list[MediaFacts]:
        """Return media of a user behind a place, the oldest first."""
        query = _FACTS.where(media.c.user_id == user_id)
        if after is not None:
            query = query.where(
                media.c.created_at_ms >= after.created_at_ms,
                sa.or_(
                    media.c.created_at_ms > after.created_at_ms, media.c.media_id > after.media_id
                ),
            )
        query = query.order_by(media.c.created_at_ms, media.c.media_id).limit(limit)
        return await self._database.read(
            lambda connection: [MediaFacts(*row) for row in connection.execute(query)]
        )

    async def delete_media(self, media_id: str) -> bool:
        """Delete one medium; tell whether it was there."""

        def work(connection: Connection) -> int:
            query = sa.select(media.c.user_id).where(media.c.media_id == media_id)
            user_id = connection.execute(query).scalar_one_or_none()
            return 0 if user_id is None else _delete(connection, user_id, [media_id])

        return bool(await self._database.write(work, durable=True))

    async def delete_some_of_user(self, user_id: str, before_ms: int | None) -> int:
        """Delete some media of a user, made before then where that is given; 0 is the end."""
        query = sa.select(media.c.media_id).where(media.c.user_id == user_id)
        if before_ms is not None:
            query = query.where(media.c.created_at_ms < before_ms)
        query = query.limit(_AT_ONCE)

        def work(connection: Connection) -> int:
            return _delete(connection, user_id, connection.execute(query).scalars().all())

        return await self._database.write(work, durable=True)

    async def insert_quarantined(self, hashes: Sequence[bytes]) -> int:
        """Quarantine bytes; return how many were not."""

        def work(connection: Connection) -> int:
            statement = insert(connection, quarantined).on_conflict_do_nothing()
            return sum(connection.execute(statement.values(sha256=one)).rowcount for one in hashes)

        return await self._database.write(work, durable=True)

    async def insert_quarantined_of_user(self, user_id: str) -> int:
        """Quarantine the bytes of all that a user has uploaded; return how many were not."""

        def work(connection: Connection) -> int:
            statement = insert(connection, quarantined).from_select(["sha256"], _hashes_of(user_id))
            return connection.execute(statement.on_conflict_do_nothing()).rowcount

        return await self._database.write(work, durable=True)

    async def delete_quarantined(self, hashes: Sequence[bytes]) -> int:
        """Take bytes out of quarantine; return how many were in it."""
        statement = sa.delete(quarantined).where(quarantined.c.sha256.in_(hashes))
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount, durable=True
        )

    async def delete_quarantined_of_user(self, user_id: str) -> int:
        """Take all that a user has uploaded out of quarantine; return how much was in it."""
        statement = sa.delete(quarantined).where(quarantined.c.sha256.in_(_hashes_of(user_id)))
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount, durable=True
        )

    async def select_quarantined(self, after: bytes, limit: int) -> list[bytes]:
        """Return the hashes of quarantined bytes in their order, those behind this one."""
        query = (
            sa.select(quarantined.c.sha256)
            .where(quarantined.c.sha256 > after)
            .order_by(quarantined.c.sha256)
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: list(connection.execute(query).scalars())
        )


def _hashes_of(user_id: str) -> "sa.Select[tuple[Any]]":
    return (
        sa.select(files.c.sha256)
        .distinct()
        .select_from(files.join(media, media.c.file == files.c.name))
        .where(media.c.user_id == user_id)
    )


def _delete(connection: Connection, user_id: str, media_ids: Sequence[str]) -> int:
    """Delete media of one user, and note the files that no other media has; return how many."""
    # Whatever changes a user's media holds this row, so that nobody else deletes it meanwhile.
    mine = usage.c.user_id == user_id
    connection.execute(sa.select(usage.c.bytes).where(mine).with_for_update())
    query = (
        sa.select(media.c.media_id, media.c.file, sa.func.coalesce(files.c.size, 0))
        .select_from(media.outerjoin(files, files.c.name == media.c.file))
        .where(media.c.media_id.in_(media_ids))
    )
    found = connection.execute(query).all()
    if not found:
        return 0
    ids = [media_id for media_id, _, _ in found]
    connection.execute(sa.delete(media).where(media.c.media_id.in_(ids)))
    freed = sum(size for _, _, size in found)
    connection.execute(sa.update(usage).where(mine).values(bytes=usage.c.bytes - freed))
    remove_unused(connection, sorted({file for _, file, _ in found if file is not None}))
    return len(found)
