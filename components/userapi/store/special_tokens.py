"""Short-lived tokens of one purpose each, kept as their hashes."""

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import Database
from components.userapi.store.interactive import delete_session
from components.userapi.store.tables import special_tokens
from matrix.identifiers import UserID


class Purpose(StrEnum):
    """What a token is good for."""

    LOGIN = "login"
    OPENID = "openid"


class SpecialTokenStore:
    """Transactions over short-lived tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert_token(
        self,
        token_hash: bytes,
        purpose: Purpose,
        user_id: UserID,
        *,
        now_ms: int,
        expires_at_ms: int,
        session_id: str | None = None,
    ) -> None:
        """Keep a token, and end the interactive session that allowed it. Expired ones go."""

        def work(connection: Connection) -> None:
            connection.execute(
                sa.delete(special_tokens).where(special_tokens.c.expires_at_ms <= now_ms)
            )
            if session_id is not None:
                delete_session(connection, session_id)
            connection.execute(
                sa.insert(special_tokens).values(
                    token_hash=token_hash,
                    purpose=purpose.value,
                    user_id=user_id,
                    expires_at_ms=expires_at_ms,
                )
            )

        await self._database.write(work)

    async def select_user(self, token_hash: bytes, purpose: Purpose, now_ms: int) -> UserID | None:
        """Return whose token it is, if it is valid."""
        query = sa.select(special_tokens.c.user_id).where(_is(token_hash, purpose, now_ms))
        return await self._database.read(lambda connection: connection.scalar(query))

    async def take_token(self, token_hash: bytes, purpose: Purpose, now_ms: int) -> UserID | None:
        """Use a token up, if it is valid, and return whose it was; of two who ask one gets it."""
        statement = (
            sa.delete(special_tokens)
            .where(_is(token_hash, purpose, now_ms))
            .returning(special_tokens.c.user_id)
        )
        return await self._database.write(lambda connection: connection.scalar(statement))


def _is(token_hash: bytes, purpose: Purpose, now_ms: int) -> sa.ColumnElement[bool]:
    return sa.and_(
        special_tokens.c.token_hash == token_hash,
        special_tokens.c.purpose == purpose.value,
        special_tokens.c.expires_at_ms > now_ms,
    )
