"""What an operator sees of accounts: one row each, deactivated ones included."""

from typing import Any

import msgspec
import sqlalchemy as sa

from base.database import Database
from components.userapi.store.tables import accounts, devices
from matrix.identifiers import UserID


class AccountFacts(msgspec.Struct, frozen=True):
    """An account as an operator sees it."""

    user_id: UserID
    created_at_ms: int
    is_guest: bool
    is_admin: bool
    is_deactivated: bool
    is_locked: bool
    is_suspended: bool
    devices: int
    """On how many somebody is logged in."""
    last_seen_ms: int | None
    """When one of them was last seen; `None` without devices."""


class AccountFactsStore:
    """Reads accounts together with when they were last used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def select_accounts(self, after: str, limit: int) -> list[AccountFacts]:
        """Return accounts by user ID, those after one of them."""
        page = accounts.c.user_id > after
        return await self._select(_facts().where(page).order_by(accounts.c.user_id).limit(limit))

    async def select_account(self, user_id: UserID) -> AccountFacts | None:
        """Return one account."""
        found = await self._select(_facts().where(accounts.c.user_id == user_id))
        return found[0] if found else None

    async def _select(self, query: sa.Select[Any]) -> list[AccountFacts]:
        def select(connection: sa.Connection) -> list[AccountFacts]:
            return [AccountFacts(**row) for row in connection.execute(query).mappings()]

        return await self._database.read(select)


def _facts() -> sa.Select[Any]:
    columns = accounts.c
    return (
        sa.select(
            columns.user_id,
            columns.created_at_ms,
            columns.is_guest,
            columns.is_admin,
            columns.is_deactivated,
            columns.is_locked,
            columns.is_suspended,
            sa.func.count(devices.c.device_id).label("devices"),
            sa.func.max(devices.c.last_seen_ms).label("last_seen_ms"),
        )
        .select_from(
            accounts.outerjoin(
                devices,
                sa.and_(
                    devices.c.user_id == columns.user_id, devices.c.is_dehydrated.is_(sa.false())
                ),
            )
        )
        .group_by(columns.user_id)
    )
