"""The user directory: by which words the users of this server are found."""

from collections.abc import Iterable
from typing import Any, Final

import orjson
import sqlalchemy as sa

from base.database import Connection, Database, insert_into
from components.userapi.store.tables import directory_words, profile_fields
from components.userapi.words import words_of, words_to_find
from internalapi.userapi import FoundUser
from matrix.identifiers import UserID, localpart_of

_WORDS_MAX: Final = 24
_WORDS_ASKED_MAX: Final = 6
_insert_words: Final = insert_into(directory_words)


def index_user(connection: Connection, user_id: UserID, display_name: bytes | None) -> None:
    """Let a user be found by their localpart and their display name, a JSON string."""
    remove_user(connection, user_id)
    name = "" if display_name is None else orjson.loads(display_name)
    words = {
        word for text in (localpart_of(user_id), name) for word in words_to_find(text, _WORDS_MAX)
    }
    rows = [{"word": word.encode(), "user_id": user_id} for word in sorted(words)]
    _insert_words.run_many(connection, rows)


def remove_user(connection: Connection, user_id: UserID) -> None:
    """Let a user be found no more."""
    connection.execute(sa.delete(directory_words).where(directory_words.c.user_id == user_id))


class UserDirectoryStore:
    """Queries over the directory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(
        self, term: str, *, searcher: UserID, skipped: int, limit: int
    ) -> list[FoundUser]:
        """Return users, but not the searcher, of whose words one begins with each of the term's.

        Those who have the whole of its first word come first, then by user ID; the first ones of
        this order can be skipped.
        """
        # A whole user ID may be given: all of the directory have the same server name.
        term = term[1:].partition(":")[0] if term.startswith("@") else term
        words = words_of(term, _WORDS_ASKED_MAX)
        if not words:
            return []
        query = _query(words).where(directory_words.c.user_id != searcher)
        page = query.offset(skipped).limit(limit)

        def select(connection: Connection) -> list[FoundUser]:
            user_ids = [UserID(user_id) for user_id in connection.scalars(page)]
            return _with_profiles(connection, user_ids)

        return await self._database.read(select, heavy_for=searcher)

    async def select_user(self, user_id: UserID) -> list[FoundUser]:
        """Return a user of the directory, if it has them."""
        query = sa.select(directory_words.c.user_id).where(directory_words.c.user_id == user_id)

        def select(connection: Connection) -> list[FoundUser]:
            found = connection.execute(query.limit(1)).first()
            return [] if found is None else _with_profiles(connection, [user_id])

        return await self._database.read(select)


def _query(words: list[str]) -> sa.Select[Any]:
    first, *others = [word.encode() for word in words]
    query = sa.select(directory_words.c.user_id).where(_begins_with(directory_words, first))
    for word in others:
        further = directory_words.alias()
        query = query.where(
            sa.exists().where(
                further.c.user_id == directory_words.c.user_id, _begins_with(further, word)
            )
        )
    rank = sa.func.min(sa.case((directory_words.c.word == first, 0), else_=1))
    return query.group_by(directory_words.c.user_id).order_by(rank, directory_words.c.user_id)


def _begins_with(words: sa.FromClause, prefix: bytes) -> sa.ColumnElement[bool]:
    # No byte of UTF-8 is 0xFF.
    return sa.and_(words.c.word >= prefix, words.c.word < prefix + b"\xff")


def _with_profiles(connection: Connection, user_ids: Iterable[UserID]) -> list[FoundUser]:
    found = list(user_ids)
    query = sa.select(profile_fields).where(
        profile_fields.c.user_id.in_(found),
        profile_fields.c.field.in_(["displayname", "avatar_url"]),
    )
    fields = {
        (row.user_id, row.field): orjson.loads(row.value) for row in connection.execute(query)
    }
    return [
        FoundUser(
            user_id=user_id,
            display_name=fields.get((user_id, "displayname")),
            avatar_url=fields.get((user_id, "avatar_url")),
        )
        for user_id in found
    ]


def index_all(connection: Connection) -> None:
    """Let all users of the directory be found by the words of their names as they are now."""
    query = sa.select(profile_fields.c.user_id, profile_fields.c.value)
    named = connection.execute(query.where(profile_fields.c.field == "displayname"))
    names = {row.user_id: row.value for row in named}
    for user_id in list(connection.scalars(sa.select(directory_words.c.user_id).distinct())):
        index_user(connection, user_id, names.get(user_id))
