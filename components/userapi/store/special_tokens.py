"""Short-lived tokens of one purpose each, kept as their hashes."""

from collections.abc import Collection
from enum import StrEnum

import sqlalchemy as sa

from base.database import Connection, Database
from components.userapi.store.expired import delete_expired
from components.userapi.store.interactive import end_session
from components.userapi.store.tables import accounts, devices, special_tokens
from internalapi.userapi import Requester
from matrix.errors import UnknownToken
from matrix.identifiers import UserID


class Purpose(StrEnum):
    """What a token is good for."""

    LOGIN = "login"
    OPENID = "openid"


def take_login_token(connection: Connection, token_hash: bytes, now_ms: int) -> bool:
    """Use a login token up; false when it is not valid any more: of two who ask one gets it."""
    statement = sa.delete(special_tokens).where(_is(token_hash, Purpose.LOGIN, now_ms))
    return connection.execute(statement).rowcount > 0


def delete_login_tokens(connection: Connection, user_id: UserID) -> None:
    """Delete all login tokens of a user."""
    connection.execute(
        sa.delete(special_tokens).where(
            special_tokens.c.user_id == user_id,
            special_tokens.c.purpose == Purpose.LOGIN.value,
        )
    )


def delete_tokens_of(
    connection: Connection, user_id: UserID, device_ids: Collection[str] | None
) -> None:
    """Delete what devices of a user asked for; `None` for all that is the user's."""
    is_gone = special_tokens.c.user_id == user_id
    if device_ids is not None:
        is_gone = sa.and_(is_gone, special_tokens.c.device_id.in_(list(device_ids)))
    connection.execute(sa.delete(special_tokens).where(is_gone))


class SpecialTokenStore:
    """Transactions over short-lived tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert_token(
        self,
        token_hash: bytes,
        purpose: Purpose,
        requester: Requester,
        *,
        now_ms: int,
        expires_at_ms: int,
        session_id: str | None = None,
    ) -> None:
        """Keep a token, and end the interactive session that allowed it. Expired ones go.

        Raises `SessionOver`, and `UnknownToken` for a device that was logged out meanwhile.
        """

        def work(connection: Connection) -> None:
            _lock_device(connection, requester)
            delete_expired(connection, special_tokens, now_ms)
            end_session(connection, session_id)
            connection.execute(
                sa.insert(special_tokens).values(
                    token_hash=token_hash,
                    purpose=purpose.value,
                    user_id=requester.user_id,
                    device_id=requester.device_id,
                    expires_at_ms=expires_at_ms,
                )
            )

        await self._database.write(work)

    async def select_login_user(self, token_hash: bytes, now_ms: int) -> UserID | None:
        """Return whose login token it is, if it is valid."""
        query = sa.select(special_tokens.c.user_id).where(_is(token_hash, Purpose.LOGIN, now_ms))
        return await self._database.read(lambda connection: connection.scalar(query))

    async def select_openid_user(self, token_hash: bytes, now_ms: int) -> UserID | None:
        """Return whose OpenID token it is, if it is valid and the account is not locked."""
        query = (
            sa.select(special_tokens.c.user_id)
            .join(accounts, accounts.c.user_id == special_tokens.c.user_id)
            .where(_is(token_hash, Purpose.OPENID, now_ms), accounts.c.is_locked.is_(False))
        )
        return await self._database.read(lambda connection: connection.scalar(query))


def _lock_device(connection: Connection, requester: Requester) -> None:
    """Make sure that a device is there, and stays until the transaction ends."""
    query = sa.select(devices.c.device_id).where(
        devices.c.user_id == requester.user_id, devices.c.device_id == requester.device_id
    )
    if connection.execute(query.with_for_update()).first() is None:
        raise UnknownToken(soft_logout=False)


def _is(token_hash: bytes, purpose: Purpose, now_ms: int) -> sa.ColumnElement[bool]:
    return sa.and_(
        special_tokens.c.token_hash == token_hash,
        special_tokens.c.purpose == purpose.value,
        special_tokens.c.expires_at_ms > now_ms,
    )
