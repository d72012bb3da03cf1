"""User-interactive authentication: stages that a client completes before an operation is done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from base.clock import Clock
from base.http import Fields
from base.limits import network_of
from components.userapi.store.interactive import InteractiveSession, InteractiveStore
from matrix.canonical import decode_json, encode_canonical
from matrix.errors import Forbidden, MatrixError, NotFound, Unrecognized
from matrix.identifiers import UserID
from matrix.unpadded_base64 import encode_base64_url_safe

DUMMY: Final = "m.login.dummy"
PASSWORD: Final = "m.login.password"  # noqa: S105 (the name of a stage)
REGISTRATION_TOKEN: Final = "m.login.registration_token"  # noqa: S105 (the name of a stage)

_SESSION_BYTES: Final = 18
_SESSION_LENGTH_MAX: Final = 255
_PARAMETERS_BYTES_MAX: Final = 8192

Check: TypeAlias = Callable[[Fields], Awaitable[str | None]]
"""Completes a stage, or raises a `MatrixError`. Returns the registration token that it took."""

Flows: TypeAlias = Sequence[Sequence[str]]


class AuthenticationWanted(MatrixError):
    """The operation is done once the client has authenticated further: 401 with the flows."""

    status = 401

    def __init__(
        self, flows: Flows, session: InteractiveSession, refusal: MatrixError | None = None
    ) -> None:
        super().__init__()
        self._flows = flows
        self._session = session
        self._refusal = refusal

    def body(self) -> dict[str, Any]:
        """Return the flows, how far the session has come, and why the last attempt failed."""
        body: dict[str, Any] = {
            "flows": [{"stages": list(stages)} for stages in self._flows],
            "params": {},
            "session": self._session.session_id,
            "completed": self._session.completed,
        }
        if self._refusal is not None:
            body.update(errcode=self._refusal.errcode, error=self._refusal.message)
        return body


class Authenticated(msgspec.Struct, frozen=True):
    """The stages of a flow are complete."""

    session_id: str | None
    """The session that ends with the operation, if there was one."""
    registration_token: str | None


class InteractiveAuth:
    """Leads clients through the stages. A session serves one operation of one user."""

    def __init__(
        self,
        store: InteractiveStore,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        *,
        lifetime_s: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._random_bytes = random_bytes
        self._lifetime_ms = lifetime_s * 1000

    async def recall(self, body: Fields) -> Fields:
        """Return the body of a request, or what the request that opened its session had asked for.

        A client that completed a stage elsewhere sends nothing but the session ("Fallback").
        """
        auth = body.optional_object("auth")
        if auth is None or len(body.raw) > 1:
            return body
        session_id = auth.optional_string("session")
        session = None if session_id is None else await self._find(session_id)
        if session is None or session.parameters is None:
            return body
        return Fields({**decode_json(session.parameters), "auth": auth.raw})

    async def find_registered(self, body: Fields) -> UserID | None:
        """Return the user whom the session that the body names has registered, if it has."""
        auth = body.optional_object("auth")
        session_id = None if auth is None else auth.optional_string("session")
        session = None if session_id is None else await self._find(session_id)
        return None if session is None else session.registered

    async def authenticate(
        self,
        body: Fields,
        *,
        operation: str,
        user_id: UserID | None,
        flows: Flows,
        checks: Mapping[str, Check],
        address: str = "",
    ) -> Authenticated:
        """Return once a flow is complete, else raise `AuthenticationWanted`.

        Where nobody is logged in, sessions count as those of the network address.

        A flow of one stage can be completed without a session. The stage that completes a flow is
        not written down: when the operation then fails, the client attempts it again.
        """
        auth = body.optional_object("auth")
        if auth is None:
            raise AuthenticationWanted(flows, await self._open(operation, user_id, body, address))
        session = await self._session_of(auth, operation, user_id)
        if session is None and "session" in auth:
            unknown = MatrixError("The session is not known, or has expired.")
            opened = await self._open(operation, user_id, body, address)
            raise AuthenticationWanted(flows, opened, unknown)
        completed = [] if session is None else session.completed
        token = None if session is None else session.registration_token
        if session is not None and _is_complete(completed, flows):
            return Authenticated(session.session_id, token)
        stage = auth.optional_string("type")
        refusal: MatrixError | None = None
        if stage is not None and stage not in completed:
            try:
                token = await _check(auth, [*completed, stage], flows, checks) or token
                completed = [*completed, stage]
            except (Forbidden, Unrecognized) as error:
                refusal = error
        if _is_complete(completed, flows):
            return Authenticated(None if session is None else session.session_id, token)
        session = session or await self._open(operation, user_id, body, address)
        if completed != session.completed:
            session = msgspec.structs.replace(
                session, completed=completed, registration_token=token
            )
            await self._store.update_session(session)
        raise AuthenticationWanted(flows, session, refusal)

    async def complete_elsewhere(
        self, auth: Fields, *, operation: str, flows: Flows, checks: Mapping[str, Check]
    ) -> None:
        """Complete a stage in a web browser, for a session that belongs to no user.

        Raises `NotFound` for a session that is not open, and what the check of the stage raises.
        """
        session = await self._session_of(auth, operation, None)
        if session is None:
            raise NotFound("The session is not known, or has expired.")
        stage = auth.string("type")
        if stage in session.completed:
            return
        completed = [*session.completed, stage]
        token = await _check(auth, completed, flows, checks) or session.registration_token
        await self._store.update_session(
            msgspec.structs.replace(session, completed=completed, registration_token=token)
        )

    async def _session_of(
        self, auth: Fields, operation: str, user_id: UserID | None
    ) -> InteractiveSession | None:
        session_id = auth.optional_string("session")
        session = None if session_id is None else await self._find(session_id)
        if session is not None and session.registered is not None:
            return None
        if session is not None and (session.operation, session.user_id) != (operation, user_id):
            raise Forbidden("The session was opened for something else.")
        return session

    async def end(self, session_id: str) -> None:
        """End a session whose operation is done, or is done elsewhere now."""
        await self._store.delete_session(session_id)

    async def open_nonce(self, operation: str, address: str) -> str:
        """Return a new nonce for an operation, which counts as one of the network address."""
        return (await self._open(operation, None, Fields({}), address)).session_id

    async def take_nonce(self, nonce: str, operation: str) -> bool:
        """Use up a nonce; false when it is not valid for the operation, or not any more."""
        session = await self._find(nonce)
        if session is None or session.operation != operation:
            return False
        return await self._store.delete_session(nonce)

    async def _find(self, session_id: str) -> InteractiveSession | None:
        if "\0" in session_id or len(session_id) > _SESSION_LENGTH_MAX:
            return None
        return await self._store.select_session(session_id, self._clock.now_ms())

    async def _open(
        self, operation: str, user_id: UserID | None, body: Fields, address: str
    ) -> InteractiveSession:
        now_ms = self._clock.now_ms()
        session = InteractiveSession(
            session_id=encode_base64_url_safe(self._random_bytes(_SESSION_BYTES)),
            operation=operation,
            user_id=user_id,
            completed=[],
            registration_token=None,
            expires_at_ms=now_ms + self._lifetime_ms,
            parameters=_parameters(body),
        )
        await self._store.insert_session(session, user_id or network_of(address), now_ms)
        return session


def _parameters(body: Fields) -> bytes | None:
    given = {name: value for name, value in body.raw.items() if name != "auth"}
    encoded = encode_canonical(given)
    # Larger ones are those of clients which can well send them again.
    return encoded if given and len(encoded) <= _PARAMETERS_BYTES_MAX else None


async def _check(
    auth: Fields, stages: list[str], flows: Flows, checks: Mapping[str, Check]
) -> str | None:
    """Complete the last of the stages, if a flow begins with them."""
    if not any(list(flow[: len(stages)]) == stages for flow in flows):
        raise Unrecognized("This stage is not the next one of any flow.")
    return await checks[stages[-1]](auth)


def _is_complete(completed: list[str], flows: Flows) -> bool:
    return any(list(flow) == completed for flow in flows)
