"""Access and refresh tokens: made, recognised, replaced and revoked."""

import base64
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from base.clock import Clock
from components.userapi.settings import UserApiSettings
from components.userapi.store.sessions import (
    NewSession,
    ProvenUser,
    SessionStore,
    StoredToken,
    TokenHash,
)
from internalapi.userapi import CurrentToken, Requester
from matrix.errors import UnknownToken, UserLocked
from matrix.identifiers import DeviceID, UserID
from matrix.unpadded_base64 import encode_base64_url_safe
from requesting.revocations import Revocations
from requesting.token_cache import KnownToken, TokenCache, hash_of_token

_TOKEN_BYTES: Final = 32
_DEVICE_ID_LETTERS: Final = 10
# How many devices are remembered as seen until the next time they are written down.
_SEEN_MAX: Final = 100_000


class LoginRequest(msgspec.Struct, frozen=True):
    """On which device somebody logs in, as asked by the client."""

    device_id: DeviceID | None = None
    """`None` for a new device."""
    display_name: str | None = None
    """The name of the device if it is new."""
    is_refreshable: bool = False
    """Whether the client can refresh access tokens."""
    address: str | None = None
    """The network address that it comes from."""
    user_agent: str | None = None
    """What the client calls itself."""


class Login(msgspec.Struct, frozen=True):
    """A login, with its tokens in plain: they are told to the client and kept nowhere."""

    user_id: UserID
    device_id: DeviceID
    access_token: str
    refresh_token: str | None
    expires_in_ms: int | None


class AccessTokens:
    """Recognises access tokens from memory, and gives out new ones."""

    def __init__(
        self,
        store: SessionStore,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        settings: UserApiSettings,
        *,
        cache: TokenCache,
        revocations: Revocations,
    ) -> None:
        self._store = store
        self._revocations = revocations
        self._clock = clock
        self._random_bytes = random_bytes
        self._settings = settings
        self._seen: dict[tuple[str, str], int] = {}
        self.cache: Final = cache

    async def query_token(self, *, access_token: str) -> Requester:
        """Return whose token it is.

        Raises `UnknownToken`, with `soft_logout` when it expired, and `UserLocked`.
        """
        known = self._checked(await self._find(access_token))
        if known.is_locked:
            raise UserLocked(soft_logout=True)
        return known.requester

    async def query_current_token(self, *, access_token: str) -> CurrentToken:
        """Return whose token it is, from the database (`internalapi.userapi.CurrentTokens`)."""
        known = self._checked(await self._read_token(hash_of_token(access_token)))
        if known.is_locked:
            raise UserLocked(soft_logout=True)
        return CurrentToken(known.requester, known.requester.expires_at_ms)

    async def query_token_to_log_out(self, access_token: str) -> Requester:
        """Return whose token it is, also an expired one, and one of a locked account.

        Raises `UnknownToken`.
        """
        return (await self._find(access_token)).requester

    async def _find(self, access_token: str) -> KnownToken:
        token_hash = hash_of_token(access_token)
        known = await self._revocations.known(token_hash)
        return await self._read_token(token_hash) if known is None else known

    def _checked(self, known: KnownToken) -> KnownToken:
        """Return the token, noted as seen, or raise `UnknownToken` if its time is over."""
        now_ms = self._clock.now_ms()
        if known.is_expired(now_ms):
            raise UnknownToken("The access token has expired.", soft_logout=True)
        if len(self._seen) < _SEEN_MAX:
            self._seen[known.device] = now_ms
        return known

    async def _read_token(self, token_hash: bytes) -> KnownToken:
        generation = self.cache.generation
        stored = await self._store.select_token(token_hash)
        if stored is None:
            raise UnknownToken(soft_logout=False)
        known = KnownToken(
            Requester(
                user_id=stored.user_id,
                device_id=stored.device_id,
                is_guest=stored.is_guest,
                is_admin=stored.is_admin,
                is_suspended=stored.is_suspended,
                expires_at_ms=stored.expires_at_ms,
                device_number=stored.device_number,
            ),
            is_locked=stored.is_locked,
        )
        if stored.replaces_hash is not None:
            # Not kept: forgetting what it replaces would forget it as well.
            await self._confirm_refresh(stored)
        else:
            self.cache.put(token_hash, known, generation)
        return known

    async def _confirm_refresh(self, token: StoredToken) -> None:
        if token.expires_at_ms is None or token.expires_at_ms > self._clock.now_ms():
            await self._store.confirm_refresh(token)
            self.cache.forget(token.user_id, token.device_id)

    def new_login(self, proven: ProvenUser, request: LoginRequest) -> tuple[NewSession, Login]:
        """Return what to store of a login and what to tell of it."""
        access_token, access, lifetime_s = self._new_access_token(
            is_refreshable=request.is_refreshable
        )
        refresh_token, refresh = (
            self._new_refresh_token() if request.is_refreshable else (None, None)
        )
        device_id = self._new_device_id() if request.device_id is None else request.device_id
        session = NewSession(
            proven=proven,
            device_id=device_id,
            display_name=request.display_name,
            address=request.address,
            user_agent=request.user_agent,
            now_ms=self._clock.now_ms(),
            access=access,
            refresh=refresh,
            is_new_device=request.device_id is None,
        )
        return session, Login(
            user_id=proven.user_id,
            device_id=device_id,
            access_token=access_token,
            refresh_token=refresh_token,
            expires_in_ms=None if lifetime_s is None else lifetime_s * 1000,
        )

    async def perform_login(self, proven: ProvenUser, request: LoginRequest) -> Login:
        """Log in on a device; earlier tokens of the device are revoked.

        Raises what `SessionStore.insert_session` does.
        """
        session, login = self.new_login(proven, request)
        await self._store.insert_session(session)
        self.cache.forget(login.user_id, login.device_id)
        return login

    async def perform_refresh(self, refresh_token: str) -> Login:
        """Give new tokens for a refresh token. Raises `UnknownToken` and `UserLocked`."""
        access_token, access, lifetime_s = self._new_access_token(is_refreshable=True)
        new_refresh_token, refresh = self._new_refresh_token()
        device = await self._store.refresh(
            hash_of_token(refresh_token), self._clock.now_ms(), access, refresh
        )
        if isinstance(device, bool):
            raise UnknownToken("The refresh token is not valid.", soft_logout=device)
        self.cache.forget(*device)
        return Login(
            user_id=device[0],
            device_id=device[1],
            access_token=access_token,
            refresh_token=new_refresh_token,
            expires_in_ms=None if lifetime_s is None else lifetime_s * 1000,
        )

    async def perform_logout(
        self, user_id: UserID, device_ids: Collection[str], session_id: str | None = None
    ) -> None:
        """Delete devices with their tokens, and the interactive session that allowed it."""
        await self._store.delete_devices(user_id, device_ids, session_id)
        self.forget(user_id, device_ids)

    async def perform_logout_everywhere(self, user_id: UserID) -> None:
        """Delete all devices and tokens of a user."""
        await self._store.delete_all_devices(user_id)
        self.cache.forget(user_id, None)

    async def query_addresses(self, user_id: UserID) -> Collection[str]:
        """Return the network addresses from which the user has logged in on their devices."""
        return await self._store.select_addresses(user_id)

    def forget(self, user_id: UserID, device_ids: Collection[str]) -> None:
        """Forget the tokens of devices that have been deleted."""
        for device_id in device_ids:
            self.cache.forget(user_id, device_id)

    async def write_last_seen(self) -> None:
        """Write down when devices were last seen."""
        seen, self._seen = self._seen, {}
        await self._store.update_last_seen(seen.items())

    def _new_access_token(self, *, is_refreshable: bool) -> tuple[str, TokenHash, int | None]:
        settings = self._settings
        lifetime_s = (
            settings.refreshable_access_token_lifetime_s
            if is_refreshable
            else settings.access_token_lifetime_s
        )
        token = self._new_token()
        return token, TokenHash(hash_of_token(token), self._expiry(lifetime_s)), lifetime_s

    def _new_refresh_token(self) -> tuple[str, TokenHash]:
        token = self._new_token()
        expires_at_ms = self._expiry(self._settings.refresh_token_lifetime_s)
        return token, TokenHash(hash_of_token(token), expires_at_ms)

    def _expiry(self, lifetime_s: int | None) -> int | None:
        return None if lifetime_s is None else self._clock.now_ms() + lifetime_s * 1000

    def _new_token(self) -> str:
        return encode_base64_url_safe(self._random_bytes(_TOKEN_BYTES))

    def _new_device_id(self) -> DeviceID:
        letters = base64.b32encode(self._random_bytes(_DEVICE_ID_LETTERS)).decode()
        return DeviceID(letters[:_DEVICE_ID_LETTERS])
