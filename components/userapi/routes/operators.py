"""What operators call: accounts and registration tokens, as routes of FastAPI.

Only processes that serve operators import this.
"""

import logging
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from components.userapi.operating import OperatorService
from components.userapi.store.account_facts import AccountFacts
from matrix.errors import InvalidParam

_log: Final = logging.getLogger(__name__)

_PASSWORD_MAX: Final = 512
_USES_MAX: Final = 1_000_000
_LIFETIME_MAX_S: Final = 100 * 366 * 86_400

_User = Annotated[
    # A user ID may hold slashes.
    str, Path(description="The user ID, or its part between `@` and `:`.", max_length=255)
]


class _Wanted(BaseModel):
    """What a request says: nothing that is not known, and each value of its type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AccountState(BaseModel):
    """An account as it stands."""

    user_id: str
    created_at_ms: int = Field(description="Milliseconds since the Unix epoch.")
    is_guest: bool
    is_admin: bool
    is_deactivated: bool = Field(description="Ended for good.")
    is_locked: bool = Field(description="Kept out until unlocked.")
    is_suspended: bool = Field(description="May read and leave, and do nothing else.")
    devices: int = Field(description="How many devices are signed in.")
    last_seen_ms: int | None = Field(description="When one of them was last seen.")


class AccountPage(BaseModel):
    """Accounts by user ID."""

    accounts: list[AccountState]
    next_after: str | None = Field(description="`after` of the next page; null at the end.")


class SignedInDevice(BaseModel):
    """A device that is signed in, or a dehydrated one."""

    device_id: str
    display_name: str | None
    last_seen_ms: int
    last_seen_address: str | None
    last_seen_user_agent: str | None
    is_dehydrated: bool = Field(
        description="Kept by the server for the user's next one, and not signed in."
    )


class AccountDetails(BaseModel):
    """An account and its devices."""

    account: AccountState
    devices: list[SignedInDevice]


class AccountChange(_Wanted):
    """What shall hold for an account; what is left out stays as it is."""

    is_admin: bool | None = None
    is_locked: bool | None = None
    is_suspended: bool | None = None


class PasswordReset(_Wanted):
    """A new password for an account."""

    password: str = Field(min_length=1, max_length=_PASSWORD_MAX)
    keep_devices: bool = Field(default=False, description="Leave the user's devices signed in.")


class Deactivation(_Wanted):
    """How an account ends."""

    erase: bool = Field(default=False, description="Hide the user's messages and profile as well.")


class Done(BaseModel):
    """It is done."""


class RegistrationTokenUse(BaseModel):
    """A registration token, and how often it was used."""

    token: str
    uses: int
    uses_allowed: int | None = Field(description="How many accounts; null for any number.")
    expires_at_ms: int | None = Field(description="Since the Unix epoch; null for never.")


class RegistrationTokens(BaseModel):
    """The tokens that operators have made, the oldest first; not those of the settings."""

    tokens: list[RegistrationTokenUse]


class NewRegistrationToken(_Wanted):
    """What a new token is good for."""

    token: str | None = Field(None, description="1 to 64 of A-Z a-z 0-9 . _ ~ -; made up if null.")
    uses_allowed: int | None = Field(None, ge=1, le=_USES_MAX, description="null: any number.")
    lifetime_s: int | None = Field(None, ge=1, le=_LIFETIME_MAX_S, description="null: for ever.")


def operator_router(operator: OperatorService) -> APIRouter:
    """Return the routes; who calls them has been recognised before."""
    router = APIRouter(prefix="/_xylem/v1")
    _add_accounts(router, operator)
    _add_changes(router, operator)
    _add_tokens(router, operator)
    return router


def _add_accounts(router: APIRouter, operator: OperatorService) -> None:
    @router.get("/accounts")
    async def list_accounts(
        after: Annotated[str, Query(max_length=255, description="User ID to begin after.")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> AccountPage:
        """List the accounts, deactivated ones included."""
        found = await operator.query_accounts_after(after, limit + 1)
        page = [_account(one) for one in found[:limit]]
        return AccountPage(
            accounts=page, next_after=page[-1].user_id if len(found) > limit else None
        )

    @router.get("/accounts/{user:path}")
    async def show_account(user: _User) -> AccountDetails:
        """Show an account and its devices."""
        facts, devices = await operator.query_account(user)
        return AccountDetails(
            account=_account(facts),
            devices=[
                SignedInDevice(
                    device_id=one.device_id,
                    display_name=one.display_name,
                    last_seen_ms=one.last_seen_ms,
                    last_seen_address=one.last_seen_address,
                    last_seen_user_agent=one.last_seen_user_agent,
                    is_dehydrated=one.is_dehydrated,
                )
                for one in devices
            ],
        )


def _add_changes(router: APIRouter, operator: OperatorService) -> None:
    @router.patch("/accounts/{user:path}")
    async def change_account(user: _User, change: AccountChange) -> AccountState:
        """Lock, suspend or promote an account, or take that back; all at once."""
        wanted = change.model_dump(exclude_none=True)
        if not wanted:
            raise InvalidParam("The body changes nothing.")
        await operator.perform_set_status(user, **wanted)
        _log.info("An operator has changed an account", extra={"user": user, **wanted})
        facts, _ = await operator.query_account(user)
        return _account(facts)

    @router.post("/accounts/{user:path}/reset-password")
    async def reset_password(user: _User, reset: PasswordReset) -> Done:
        """Give an account a new password, and sign out all of its devices unless told not to."""
        await operator.perform_reset_password(user, reset.password, logout=not reset.keep_devices)
        _log.info("An operator has reset a password", extra={"user": user})
        return Done()

    @router.post("/accounts/{user:path}/deactivate")
    async def deactivate(user: _User, how: Deactivation) -> Done:
        """End an account for good: its user leaves all rooms, and nobody gets the name again."""
        await operator.perform_deactivate(user, erase=how.erase)
        _log.info("An operator has deactivated an account", extra={"user": user})
        return Done()


def _add_tokens(router: APIRouter, operator: OperatorService) -> None:
    @router.get("/registration-tokens")
    async def list_registration_tokens() -> RegistrationTokens:
        """List the tokens by which people register."""
        return RegistrationTokens(
            tokens=[
                RegistrationTokenUse(
                    token=one.token.token,
                    uses=one.uses,
                    uses_allowed=one.token.uses_allowed,
                    expires_at_ms=one.token.expires_at_ms,
                )
                for one in await operator.query_registration_tokens()
            ]
        )

    @router.post("/registration-tokens")
    async def create_registration_token(wanted: NewRegistrationToken) -> RegistrationTokenUse:
        """Make a token."""
        made = await operator.perform_create_registration_token(
            wanted.token, uses_allowed=wanted.uses_allowed, lifetime_s=wanted.lifetime_s
        )
        _log.info("An operator has made a registration token")
        return RegistrationTokenUse(
            token=made.token,
            uses=0,
            uses_allowed=made.uses_allowed,
            expires_at_ms=made.expires_at_ms,
        )

    @router.delete("/registration-tokens/{token}")
    async def revoke_registration_token(token: str) -> Done:
        """Make a token useless."""
        await operator.perform_revoke_registration_token(token)
        _log.info("An operator has revoked a registration token")
        return Done()


def _account(facts: AccountFacts) -> AccountState:
    return AccountState(
        user_id=facts.user_id,
        created_at_ms=facts.created_at_ms,
        is_guest=facts.is_guest,
        is_admin=facts.is_admin,
        is_deactivated=facts.is_deactivated,
        is_locked=facts.is_locked,
        is_suspended=facts.is_suspended,
        devices=facts.devices,
        last_seen_ms=facts.last_seen_ms,
    )
