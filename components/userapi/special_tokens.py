"""Tokens that let one more device in, and tokens that prove to others who a user is."""

from collections.abc import Callable
from typing import Final

from base.clock import Clock
from components.userapi.settings import UserApiSettings
from components.userapi.store.sessions import LoginTokenInvalid, ProvenUser
from components.userapi.store.special_tokens import Purpose, SpecialTokenStore
from internalapi.userapi import Requester
from matrix.errors import UnknownToken
from matrix.identifiers import UserID
from matrix.unpadded_base64 import encode_base64_url_safe
from requesting.token_cache import hash_of_token

_TOKEN_BYTES: Final = 24


class SpecialTokens:
    """Gives out short-lived tokens, and recognises them."""

    def __init__(
        self,
        store: SpecialTokenStore,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        settings: UserApiSettings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._random_bytes = random_bytes
        self._login_lifetime_s = settings.login_token_lifetime_s
        self._openid_lifetime_s = settings.openid_token_lifetime_s

    async def perform_issue_login_token(
        self, requester: Requester, session_id: str | None
    ) -> tuple[str, int]:
        """Return a token for one login, and for how many seconds it is valid.

        The interactive session that allowed it ends. The token ends with the device that asked
        for it, and with the password.
        """
        lifetime_s = self._login_lifetime_s
        return await self._issue(Purpose.LOGIN, requester, lifetime_s, session_id), lifetime_s

    async def check_login_token(self, token: str) -> ProvenUser:
        """Return whose token it is; the login uses it up. Raises `Forbidden`."""
        token_hash = hash_of_token(token)
        user_id = await self._store.select_login_user(token_hash, self._clock.now_ms())
        if user_id is None:
            raise LoginTokenInvalid
        return ProvenUser(user_id, login_token_hash=token_hash)

    async def perform_issue_openid_token(self, requester: Requester) -> tuple[str, int]:
        """Return a token by which others learn who the user is, and its seconds of validity."""
        lifetime_s = self._openid_lifetime_s
        return await self._issue(Purpose.OPENID, requester, lifetime_s, None), lifetime_s

    async def query_openid_user(self, *, access_token: str) -> UserID:
        """Return who had the token made.

        Raises `UnknownToken`, also for an expired one, and that of a locked account.
        """
        user_id = await self._store.select_openid_user(
            hash_of_token(access_token), self._clock.now_ms()
        )
        if user_id is None:
            raise UnknownToken("The token is not known, or has expired.")
        return user_id

    async def _issue(
        self, purpose: Purpose, requester: Requester, lifetime_s: int, session_id: str | None
    ) -> str:
        token = encode_base64_url_safe(self._random_bytes(_TOKEN_BYTES))
        now_ms = self._clock.now_ms()
        await self._store.insert_token(
            hash_of_token(token),
            purpose,
            requester,
            now_ms=now_ms,
            expires_at_ms=now_ms + lifetime_s * 1000,
            session_id=session_id,
        )
        return token
