"""Accounts deactivated, locked and suspended."""

from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from base.database import Connection, Database, insert
from components.userapi.store.announcing import ClientDataAnnouncements
from components.userapi.store.directory import remove_user
from components.userapi.store.interactive import end_session
from components.userapi.store.sessions import delete_all_devices
from components.userapi.store.tables import (
    account_data,
    accounts,
    departing_users,
    filters,
    profile_fields,
)
from logs.records.client_data import AccountStatusChanged, ProfileChanged
from matrix.identifiers import UserID


class AccountStatus(msgspec.Struct, frozen=True):
    """What holds for an account that is not deactivated."""

    is_admin: bool
    is_locked: bool
    is_suspended: bool


class AccountStatusStore:
    """Transactions over what accounts may do."""

    def __init__(self, database: Database, announcements: ClientDataAnnouncements) -> None:
        self._database = database
        self._announcements = announcements

    async def select_status(self, user_id: UserID) -> AccountStatus | None:
        """Return what holds for an account; `None` for one that is deactivated or not there."""
        return await self._database.read(lambda connection: _status(connection, user_id))

    async def change_status(
        self, user_id: UserID, change: Callable[[AccountStatus], AccountStatus]
    ) -> bool:
        """Make of what holds for an account what `change` says; false when nothing changed.

        Nothing does for one that is gone.
        """

        def work(connection: Connection) -> bool:
            status = _status(connection, user_id, lock=True)
            changed = None if status is None else change(status)
            if changed is None or changed == status:
                return False
            connection.execute(
                sa.update(accounts)
                .where(accounts.c.user_id == user_id)
                .values(**msgspec.structs.asdict(changed))
            )
            self._announcements.put(
                connection,
                AccountStatusChanged(
                    user_id,
                    is_deactivated=False,
                    is_erased=False,
                    is_locked=changed.is_locked,
                    is_suspended=changed.is_suspended,
                ),
            )
            return True

        return await self._announcements.write(work)

    async def deactivate(self, user_id: UserID, session_id: str | None, *, erase: bool) -> None:
        """End an account for good: nobody can use it, nor take its name.

        Its user is noted as one who has to leave their rooms. A repeat changes nothing, but may
        erase what was not erased. Raises `SessionOver`.
        """

        def work(connection: Connection) -> None:
            end_session(connection, session_id)
            self._end_account(connection, user_id, erase=erase)
            fields = _delete_profile(connection, user_id) if erase else []
            remove_user(connection, user_id)
            for table in (account_data, filters):
                connection.execute(sa.delete(table).where(table.c.user_id == user_id))
            connection.execute(
                insert(connection, departing_users).values(user_id=user_id).on_conflict_do_nothing()
            )
            delete_all_devices(connection, self._announcements, user_id)
            for field in fields:
                self._announcements.put(connection, ProfileChanged(user_id, field, b"null"))
            self._announcements.put(
                connection,
                AccountStatusChanged(
                    user_id,
                    is_deactivated=True,
                    is_erased=erase,
                    is_locked=False,
                    is_suspended=False,
                ),
            )

        await self._announcements.write(work)

    def _end_account(self, connection: Connection, user_id: UserID, *, erase: bool) -> None:
        connection.execute(
            sa.update(accounts)
            .where(accounts.c.user_id == user_id)
            .values(
                is_deactivated=True,
                is_erased=sa.or_(accounts.c.is_erased, sa.literal(erase)),
                password_hash=None,
            )
        )

    async def select_departing(self, after: str, limit: int) -> list[UserID]:
        """Return users who have yet to leave their rooms, by user ID, those after one of them."""
        query = (
            sa.select(departing_users.c.user_id)
            .where(departing_users.c.user_id > after)
            .order_by(departing_users.c.user_id)
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: [UserID(user_id) for user_id in connection.scalars(query)]
        )

    async def announced(self) -> None:
        """Return once all that is committed is announced, by whomever. Raises `Unavailable`."""
        await self._announcements.all_announced()

    async def delete_departing(self, user_id: UserID) -> None:
        """Note that a user has left all rooms."""
        statement = sa.delete(departing_users).where(departing_users.c.user_id == user_id)
        await self._database.write(lambda connection: connection.execute(statement))


def _status(connection: Connection, user_id: UserID, *, lock: bool = False) -> AccountStatus | None:
    query = sa.select(accounts.c.is_admin, accounts.c.is_locked, accounts.c.is_suspended).where(
        accounts.c.user_id == user_id, accounts.c.is_deactivated.is_(False)
    )
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else AccountStatus(*row)


def _delete_profile(connection: Connection, user_id: UserID) -> list[str]:
    mine = profile_fields.c.user_id == user_id
    query = sa.select(profile_fields.c.field).where(mine).order_by(profile_fields.c.field)
    fields = list(connection.scalars(query))
    connection.execute(sa.delete(profile_fields).where(mine))
    return fields
