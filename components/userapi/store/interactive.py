"""Interactive authentications that are under way, shared by all replicas."""

import hashlib
from typing import Any, Final

import msgspec
import orjson
import sqlalchemy as sa
from nacl.secret import SecretBox

from base.database import Connection, Database
from components.userapi.store.expired import delete_expired
from components.userapi.store.tables import interactive_sessions
from matrix.errors import Forbidden
from matrix.identifiers import UserID


class InteractiveSession(msgspec.Struct, frozen=True):
    """An authentication for one operation, as far as it has come."""

    session_id: str
    operation: str
    user_id: str | None
    """Who has to prove that it is them; `None` where nobody is logged in."""
    completed: list[str]
    """The stages that are complete, in their order."""
    registration_token: str | None
    expires_at_ms: int
    parameters: bytes | None = None
    """What the request asked for, a JSON object; `None` where it is not remembered."""

    @property
    def registered(self) -> UserID | None:
        """The user whom it has registered. Then it serves nothing more."""
        if self.operation != _REGISTERED or self.user_id is None:
            return None
        return UserID(self.user_id)


REGISTER: Final = "register"
_REGISTERED: Final = "registered"
"""What the operation of a session becomes once it has made an account."""


class SessionOver(Forbidden):
    """The interactive session has served its operation, or has expired."""


def end_session(connection: Connection, session_id: str | None) -> None:
    """End the session that allows an operation, if there is one.

    Raises `SessionOver` when it is gone: of two requests with one session one is done.
    """
    if session_id is not None and not _delete_session(connection, session_id):
        raise SessionOver


def end_registration(connection: Connection, session_id: str | None, user_id: UserID) -> None:
    """End the session that allows a registration; who has it is told until it expires whose.

    Raises `SessionOver` when it is gone: of two requests with one session one is done.
    """
    if session_id is None:
        return
    ended = connection.execute(
        sa.update(interactive_sessions)
        .where(_is(session_id), interactive_sessions.c.operation == REGISTER)
        .values(operation=_REGISTERED, user_id=user_id)
    )
    if not ended.rowcount:
        raise SessionOver


def _delete_session(connection: Connection, session_id: str) -> bool:
    statement = sa.delete(interactive_sessions).where(_is(session_id))
    return connection.execute(statement).rowcount > 0


def _delete_one_of_the_most(connection: Connection) -> None:
    """End the oldest session of whoever opened most."""
    opened_by, expires_at_ms = (
        interactive_sessions.c.opened_by,
        interactive_sessions.c.expires_at_ms,
    )
    busiest = (
        sa.select(opened_by)
        .group_by(opened_by)
        .order_by(sa.func.count().desc(), sa.func.min(expires_at_ms))
        .limit(1)
    )
    oldest = (
        sa.select(interactive_sessions.c.session_hash)
        .where(opened_by == busiest.scalar_subquery())
        .order_by(expires_at_ms)
        .limit(1)
    )
    connection.execute(
        sa.delete(interactive_sessions).where(
            interactive_sessions.c.session_hash == oldest.scalar_subquery()
        )
    )


def _is(session_id: str) -> sa.ColumnElement[bool]:
    return interactive_sessions.c.session_hash == _hash(session_id)


def _hash(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode()).digest()


def _box(session_id: str) -> SecretBox:
    return SecretBox(hashlib.sha256(b"parameters\0" + session_id.encode()).digest())


def _seal(session: InteractiveSession) -> bytes | None:
    if session.parameters is None:
        return None
    # The key seals nothing else ever, so that any nonce will do.
    nonce = bytes(SecretBox.NONCE_SIZE)
    return _box(session.session_id).encrypt(session.parameters, nonce).ciphertext


def _unseal(session_id: str, sealed: bytes | None) -> bytes | None:
    if sealed is None:
        return None
    return _box(session_id).decrypt(sealed, bytes(SecretBox.NONCE_SIZE))


def _session(session_id: str, row: sa.Row[Any]) -> InteractiveSession:
    return InteractiveSession(
        session_id=session_id,
        operation=row.operation,
        user_id=row.user_id,
        completed=orjson.loads(row.completed),
        registration_token=row.registration_token,
        expires_at_ms=row.expires_at_ms,
        parameters=_unseal(session_id, row.sealed_parameters),
    )


class InteractiveStore:
    """Transactions over interactive sessions."""

    def __init__(self, database: Database, *, sessions_max: int) -> None:
        self._database = database
        self._sessions_max = sessions_max

    async def insert_session(self, session: InteractiveSession, opener: str, now_ms: int) -> None:
        """Open a session in the name of a user or a network address.

        Expired ones go. Where there are too many, whoever has most of them loses their oldest,
        so that nobody ends the sessions of others by opening many.
        """

        def work(connection: Connection) -> None:
            delete_expired(connection, interactive_sessions, now_ms)
            connection.execute(
                sa.insert(interactive_sessions).values(
                    session_hash=_hash(session.session_id),
                    operation=session.operation,
                    user_id=session.user_id,
                    completed=orjson.dumps(session.completed),
                    registration_token=session.registration_token,
                    sealed_parameters=_seal(session),
                    expires_at_ms=session.expires_at_ms,
                    opened_by=opener,
                )
            )
            count = sa.select(sa.func.count()).select_from(interactive_sessions)
            for _ in range(connection.execute(count).scalar_one() - self._sessions_max):
                _delete_one_of_the_most(connection)

        await self._database.write(work)

    async def select_session(self, session_id: str, now_ms: int) -> InteractiveSession | None:
        """Return a session that has not expired."""
        query = sa.select(interactive_sessions).where(
            _is(session_id),
            interactive_sessions.c.expires_at_ms > now_ms,
        )

        def select(connection: Connection) -> InteractiveSession | None:
            row = connection.execute(query).first()
            return None if row is None else _session(session_id, row)

        return await self._database.read(select)

    async def update_session(self, session: InteractiveSession) -> None:
        """Note the stages that are complete by now."""
        statement = (
            sa.update(interactive_sessions)
            .where(_is(session.session_id))
            .values(
                completed=orjson.dumps(session.completed),
                registration_token=session.registration_token,
            )
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def delete_session(self, session_id: str) -> bool:
        """End a session; false when there was none, so that one of two who ask gets true."""
        return await self._database.write(
            lambda connection: _delete_session(connection, session_id)
        )
