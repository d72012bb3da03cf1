"""Puts the user API together from what it is given."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from base.clock import Clock
from base.database import Database, DatabaseOutage
from base.http import Router
from components.userapi.account_data import AccountDataService
from components.userapi.accounts import AccountService
from components.userapi.announcer import Announcer
from components.userapi.filters import FilterService
from components.userapi.interactive_auth import InteractiveAuth
from components.userapi.logins import LoginService
from components.userapi.passwords import Passwords
from components.userapi.profiles import ProfileService
from components.userapi.rates import Rates
from components.userapi.registration import RegistrationService
from components.userapi.requesters import Requesters
from components.userapi.revocations import follow_revocations
from components.userapi.routes_account import AccountRoutes
from components.userapi.routes_server import ServerRoutes
from components.userapi.routes_sessions import SessionRoutes
from components.userapi.routes_user_data import UserDataRoutes
from components.userapi.settings import UserApiSettings
from components.userapi.store.accounts import AccountStore
from components.userapi.store.interactive import InteractiveStore
from components.userapi.store.outgoing import OutgoingStore
from components.userapi.store.sessions import SessionStore
from components.userapi.store.tables import SCHEMA
from components.userapi.store.user_data import AccountDataStore, FilterStore, ProfileStore
from components.userapi.tokens import Tokens
from internalapi.userapi import Accounts, Authentication, Filters, Profiles
from logs.log import Log, LogOutage
from logs.topics import OUTPUT_CLIENT_DATA
from matrix.identifiers import ServerName
from matrix.room_versions import DEFAULT_ROOM_VERSION

__all__ = ["SCHEMA", "UserApi", "build"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UserApi:
    """The user API: what others call, what clients reach, and what has to run."""

    authentication: Authentication
    accounts: Accounts
    profiles: Profiles
    filters: Filters
    router: Router
    _log: Log
    _tokens: Tokens
    _announcer: Announcer
    _passwords: Passwords
    _last_seen_interval_s: float

    async def run(self) -> None:
        """Announce what is written, and follow what other replicas revoke, until cancelled.

        While it does not run, tokens are read from the database, and nothing is announced.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._announcer.run())
                tasks.create_task(follow_revocations(self._log, self._tokens.cache))
                tasks.create_task(self._write_last_seen())
        finally:
            await self._finish()

    async def _write_last_seen(self) -> None:
        while True:
            await asyncio.sleep(self._last_seen_interval_s)
            try:
                await self._tokens.write_last_seen()
            except DatabaseOutage as outage:
                _log.warning("Device activity is not noted", extra={"reason": str(outage)})

    async def _finish(self) -> None:
        try:
            await self._tokens.write_last_seen()
            await self._announcer.send_all()
        except (DatabaseOutage, LogOutage) as outage:
            # What is left is in the database, and is sent when the server is back.
            _log.warning("The user API stops during an outage", extra={"reason": str(outage)})

    def close(self) -> None:
        """End the threads that hash passwords. The database and the log are the caller's."""
        self._passwords.close()


def build(
    *,
    settings: UserApiSettings,
    server_name: ServerName,
    database: Database,
    log: Log,
    clock: Clock,
    random_bytes: Callable[[int], bytes],
    default_room_version: str = DEFAULT_ROOM_VERSION,
) -> UserApi:
    """Put the component together; nothing runs until `run`.

    `database` was opened with `SCHEMA`, and durable. `random_bytes` gives as many bytes as asked
    that nobody can guess: `secrets.token_bytes`. `default_room_version` is what clients are told.
    """
    outgoing = OutgoingStore(database, lambda key: log.partition_of(OUTPUT_CLIENT_DATA.name, key))
    sessions = SessionStore(database, outgoing, devices_max=settings.devices_max)
    account_store = AccountStore(database, outgoing, devices_max=settings.devices_max)
    tokens = Tokens(sessions, clock, random_bytes, settings)
    passwords = Passwords(
        cost=settings.bcrypt_cost,
        threads=settings.password_threads,
        waiting_max=settings.passwords_waiting_max,
    )
    interactive_auth = InteractiveAuth(
        InteractiveStore(database, sessions_max=settings.interactive_sessions_max),
        clock,
        random_bytes,
        lifetime_s=settings.interactive_session_lifetime_s,
    )
    accounts = AccountService(
        account_store,
        tokens,
        passwords,
        clock,
        random_bytes,
        server_name=server_name,
        settings=settings,
    )
    profiles = ProfileService(ProfileStore(database, outgoing))
    filters = FilterService(
        FilterStore(database, filters_max=settings.filters_max), clock, settings
    )
    rates = Rates(settings, clock)
    logins = LoginService(accounts, tokens, rates)
    requesters = Requesters(tokens)
    well_known = _well_known(settings)
    router = Router()
    SessionRoutes(
        requesters=requesters,
        tokens=tokens,
        logins=logins,
        registrations=RegistrationService(
            accounts, account_store, interactive_auth, clock, settings
        ),
        rates=rates,
        server_name=server_name,
        well_known=well_known,
    ).add_to(router)
    AccountRoutes(
        requesters=requesters,
        accounts=accounts,
        tokens=tokens,
        sessions=sessions,
        logins=logins,
        interactive_auth=interactive_auth,
    ).add_to(router)
    UserDataRoutes(
        requesters=requesters,
        profiles=profiles,
        filters=filters,
        account_data=AccountDataService(
            AccountDataStore(database, outgoing, types_max=settings.account_data_types_max),
            settings,
        ),
    ).add_to(router)
    ServerRoutes(
        requesters=requesters, well_known=well_known, default_room_version=default_room_version
    ).add_to(router)
    return UserApi(
        authentication=tokens,
        accounts=accounts,
        profiles=profiles,
        filters=filters,
        router=router,
        _log=log,
        _tokens=tokens,
        _announcer=Announcer(outgoing, log),
        _passwords=passwords,
        _last_seen_interval_s=settings.last_seen_interval_s,
    )


def _well_known(settings: UserApiSettings) -> dict[str, Any] | None:
    if settings.public_base_url is None:
        return None
    return {"m.homeserver": {"base_url": settings.public_base_url}}
