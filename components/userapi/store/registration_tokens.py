"""Registration tokens that operators have made by command."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from base.database import Database, insert
from components.userapi.settings import RegistrationToken
from components.userapi.store.tables import registration_token_uses, registration_tokens


class StoredRegistrationToken(msgspec.Struct, frozen=True):
    """A registration token, and how many accounts were made with it."""

    token: RegistrationToken
    uses: int


class RegistrationTokenStore:
    """Transactions over registration tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert_token(self, token: RegistrationToken, now_ms: int) -> bool:
        """Keep a token; false where there is one of these characters already."""

        def work(connection: sa.Connection) -> bool:
            inserted = connection.execute(
                insert(connection, registration_tokens)
                .values(**msgspec.structs.asdict(token), created_at_ms=now_ms)
                .on_conflict_do_nothing()
            )
            return bool(inserted.rowcount)

        return await self._database.write(work)

    async def select_token(self, token: str) -> RegistrationToken | None:
        """Return a token, valid or not."""
        found = await self._select(registration_tokens.c.token == token)
        return found[0].token if found else None

    async def select_tokens(self) -> Sequence[StoredRegistrationToken]:
        """Return all tokens, the oldest first."""
        return await self._select(sa.true())

    async def delete_token(self, token: str) -> bool:
        """Forget a token, and how often it was used; false where there is none."""

        def work(connection: sa.Connection) -> bool:
            connection.execute(
                sa.delete(registration_token_uses).where(registration_token_uses.c.token == token)
            )
            deleted = connection.execute(
                sa.delete(registration_tokens).where(registration_tokens.c.token == token)
            )
            return bool(deleted.rowcount)

        return await self._database.write(work)

    async def _select(self, condition: sa.ColumnElement[bool]) -> Sequence[StoredRegistrationToken]:
        columns = registration_tokens.c
        query = (
            sa.select(
                columns.token,
                columns.uses_allowed,
                columns.expires_at_ms,
                sa.func.coalesce(registration_token_uses.c.uses, 0),
            )
            .select_from(
                registration_tokens.outerjoin(
                    registration_token_uses, registration_token_uses.c.token == columns.token
                )
            )
            .where(condition)
            .order_by(columns.created_at_ms, columns.token)
        )
        return await self._database.read(
            lambda connection: [
                StoredRegistrationToken(RegistrationToken(*token), uses)
                for *token, uses in connection.execute(query)
            ]
        )
