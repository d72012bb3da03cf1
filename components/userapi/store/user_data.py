"""What users keep with the server: profile fields, account data and filters."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from base.database import Connection, Database, insert
from components.userapi.store.announcing import ClientDataAnnouncements
from components.userapi.store.directory import index_user
from components.userapi.store.tables import account_data, accounts, filters, profile_fields
from logs.records.client_data import AccountDataChanged, ProfileChanged
from matrix.errors import NotFound, ProfileTooLarge, TooLarge
from matrix.identifiers import UserID

PUSH_RULES: Final = "m.push_rules"
PROFILE_SIZE_MAX: Final = 65_536


class ProfileStore:
    """Transactions over profiles."""

    def __init__(self, database: Database, announcements: ClientDataAnnouncements) -> None:
        self._database = database
        self._announcements = announcements

    async def select_profile(self, user_id: UserID) -> dict[str, bytes] | None:
        """Return the fields as JSON values, ordered by name.

        `None` where there is no account, or it was erased: then nobody learns that there was one.
        """
        exists = sa.select(accounts.c.user_id).where(
            accounts.c.user_id == user_id, accounts.c.is_erased.is_(False)
        )

        def select(connection: Connection) -> dict[str, bytes] | None:
            if connection.execute(exists).first() is None:
                return None
            return _profile(connection, user_id)

        return await self._database.read(select)

    async def upsert_field(self, user_id: UserID, field: str, value: bytes | None) -> bool:
        """Set a field to a JSON value, or remove it with `None`; false when nothing changed.

        Raises `NotFound` where there is no account, and `ProfileTooLarge`.
        """

        def work(connection: Connection) -> bool:
            # Locked, so that two fields written at once are both counted.
            account = sa.select(accounts.c.user_id).where(accounts.c.user_id == user_id)
            if connection.execute(account.with_for_update()).first() is None:
                raise NotFound("There is no such user.")
            profile = _profile(connection, user_id)
            if profile.get(field) == value:
                return False
            _write_field(connection, user_id, field, value, profile)
            if field == "displayname":
                index_user(connection, user_id, value)
            self._announcements.put(connection, ProfileChanged(user_id, field, value or b"null"))
            return True

        return await self._announcements.write(work)


def _profile(connection: Connection, user_id: str) -> dict[str, bytes]:
    query = (
        sa.select(profile_fields.c.field, profile_fields.c.value)
        .where(profile_fields.c.user_id == user_id)
        .order_by(profile_fields.c.field)
    )
    return {field: value for field, value in connection.execute(query)}  # noqa: C416 (rows are no pairs)


def _write_field(
    connection: Connection,
    user_id: str,
    field: str,
    value: bytes | None,
    profile: Mapping[str, bytes],
) -> None:
    if value is None:
        connection.execute(
            sa.delete(profile_fields).where(
                profile_fields.c.user_id == user_id, profile_fields.c.field == field
            )
        )
        return
    # As JSON each field adds quotes, a colon and a comma or brace.
    size = sum(
        len(name.encode()) + len(text) + 4 for name, text in {**profile, field: value}.items()
    )
    if size + 1 > PROFILE_SIZE_MAX:
        raise ProfileTooLarge
    connection.execute(
        insert(connection, profile_fields)
        .values(user_id=user_id, field=field, value=value)
        .on_conflict_do_update(
            index_elements=[profile_fields.c.user_id, profile_fields.c.field],
            set_={"value": value},
        )
    )


def _is_account_data(user_id: str, room_id: str, data_type: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        account_data.c.user_id == user_id,
        account_data.c.room_id == room_id,
        account_data.c.type == data_type,
    )


def _select_account_data(user_id: str, room_id: str, data_type: str) -> sa.Select[Any]:
    return sa.select(account_data.c.content).where(_is_account_data(user_id, room_id, data_type))


class AccountDataStore:
    """Transactions over account data. `room_id` is empty for account data of no room."""

    def __init__(
        self,
        database: Database,
        announcements: ClientDataAnnouncements,
        *,
        types_max: int,
        bytes_max: int,
    ) -> None:
        self._database = database
        self._announcements = announcements
        self._types_max = types_max
        self._bytes_max = bytes_max

    async def select_account_data(
        self, user_id: UserID, room_id: str, data_type: str
    ) -> bytes | None:
        """Return the JSON object of a type."""
        query = _select_account_data(user_id, room_id, data_type)
        return await self._database.read(lambda connection: connection.scalar(query))

    async def select_all_account_data(self, user_id: UserID) -> list[tuple[str, str, bytes]]:
        """Return room ID, type and JSON object of all that a user has, in this order."""
        of = account_data.c
        query = (
            sa.select(of.room_id, of.type, of.content)
            .where(of.user_id == user_id)
            .order_by(of.room_id, of.type)
        )

        def select(connection: Connection) -> list[tuple[str, str, bytes]]:
            return [
                (room_id, kind, content) for room_id, kind, content in connection.execute(query)
            ]

        return await self._database.read(select)

    async def upsert_account_data(
        self, user_id: UserID, room_id: str, data_type: str, content: bytes
    ) -> None:
        """Set the JSON object of a type. Raises `TooLarge` where the user has too much."""
        await self._announcements.write(
            lambda connection: self._upsert(connection, (user_id, room_id, data_type), content)
        )

    async def change_account_data(
        self,
        user_id: UserID,
        room_id: str,
        data_type: str,
        change: Callable[[bytes | None], bytes | None],
    ) -> None:
        """Set a type to what `change` makes of its JSON object; `None` leaves it as it is.

        Changes of a user's data follow each other. Raises `TooLarge`, `NotFound` for a user
        without an account, and what `change` raises.
        """
        account = sa.select(accounts.c.user_id).where(accounts.c.user_id == user_id)
        key = (user_id, room_id, data_type)

        def work(connection: Connection) -> None:
            if connection.execute(account.with_for_update()).first() is None:
                raise NotFound("There is no such user.")
            content = change(connection.scalar(_select_account_data(*key)))
            if content is not None:
                self._upsert(connection, key, content)

        await self._announcements.write(work)

    def _upsert(self, connection: Connection, key: tuple[UserID, str, str], content: bytes) -> None:
        user_id, room_id, data_type = key
        self._require_room(connection, key, content)
        if not connection.execute(
            sa.update(account_data).where(_is_account_data(*key)).values(content=content)
        ).rowcount:
            row = {"user_id": user_id, "room_id": room_id, "type": data_type, "content": content}
            self._insert(connection, row)
        self._announcements.put(
            connection,
            AccountDataChanged(
                user_id=user_id, type=data_type, content=content, room_id=room_id or None
            ),
        )

    def _require_room(
        self, connection: Connection, key: tuple[UserID, str, str], content: bytes
    ) -> None:
        """Raise `TooLarge` for what is more than a user may have, unless it is less than before."""
        is_this = _is_account_data(*key)
        size = sa.func.length(account_data.c.content)
        of_this = sa.func.coalesce(sa.func.sum(sa.case((is_this, size))), 0)
        of_all = sa.func.coalesce(sa.func.sum(size), 0)
        number_of_this = sa.func.count(sa.case((is_this, 1)))
        types, others, before, is_new = connection.execute(
            sa.select(sa.func.count(), of_all - of_this, of_this, number_of_this == 0).where(
                account_data.c.user_id == key[0]
            )
        ).one()
        if is_new and types >= self._types_max:
            raise TooLarge("There is too much account data: no further types are kept.")
        if len(content) > before and others + len(content) > self._bytes_max:
            raise TooLarge("There is too much account data: delete some of it first.")

    def _insert(self, connection: Connection, row: dict[str, Any]) -> None:
        # Another replica may have been faster since the update found no row.
        connection.execute(
            insert(connection, account_data)
            .values(row)
            .on_conflict_do_update(
                index_elements=list(account_data.primary_key), set_={"content": row["content"]}
            )
        )


class FilterStore:
    """Transactions over filters."""

    def __init__(self, database: Database, *, filters_max: int) -> None:
        self._database = database
        self._filters_max = filters_max

    async def select_filter(self, user_id: UserID, filter_id: str) -> bytes | None:
        """Return the JSON object of a filter."""
        query = sa.select(filters.c.content).where(
            filters.c.user_id == user_id, filters.c.filter_id == filter_id
        )
        return await self._database.read(lambda connection: connection.scalar(query))

    async def insert_filter(
        self, user_id: UserID, filter_id: str, content: bytes, now_ms: int
    ) -> None:
        """Keep a filter; a repeat changes nothing. The oldest goes where there are too many."""

        def work(connection: Connection) -> None:
            connection.execute(
                insert(connection, filters)
                .values(user_id=user_id, filter_id=filter_id, content=content, created_at_ms=now_ms)
                .on_conflict_do_nothing()
            )
            mine = filters.c.user_id == user_id
            oldest = (
                sa.select(filters.c.filter_id)
                .where(mine)
                .order_by(filters.c.created_at_ms.desc(), filters.c.filter_id)
                .offset(self._filters_max)
            )
            connection.execute(sa.delete(filters).where(mine, filters.c.filter_id.in_(oldest)))

        await self._database.write(work)
