"""Puts the user API together from what it is given."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from base.clock import Clock
from base.database import Database, DatabaseOutage
from base.http import Router
from base.metrics import Source, sizes_of
from base.repeating import repeat
from components.userapi.account_data import AccountDataService
from components.userapi.accounts import AccountService
from components.userapi.administration import AdministrationService
from components.userapi.announced import ANNOUNCED
from components.userapi.deactivation import DeactivationService
from components.userapi.expiry import Expiry
from components.userapi.filters import FilterService
from components.userapi.history import UserHistoryReader
from components.userapi.interactive_auth import InteractiveAuth
from components.userapi.logins import LoginService
from components.userapi.operating import OperatorService
from components.userapi.passwords import Passwords
from components.userapi.profiles import ProfileService
from components.userapi.proofs import Proofs, UserProofService
from components.userapi.rates import UserApiRates
from components.userapi.registration import RegistrationService
from components.userapi.replaced_rooms import ReplacedRoomSettings
from components.userapi.reports import ReportService
from components.userapi.routes.account import AccountRoutes
from components.userapi.routes.admin import AdminRoutes
from components.userapi.routes.devices import DeviceRoutes
from components.userapi.routes.fallback import FallbackRoutes
from components.userapi.routes.openid import OpenIdRoutes
from components.userapi.routes.push_rules import PushRuleRoutes
from components.userapi.routes.registration import RegistrationRoutes
from components.userapi.routes.reports import ReportRoutes
from components.userapi.routes.server import ServerRoutes
from components.userapi.routes.sessions import SessionRoutes
from components.userapi.routes.third_party_ids import ThirdPartyIdRoutes
from components.userapi.routes.user_data import UserDataRoutes
from components.userapi.settings import UserApiSettings
from components.userapi.special_tokens import SpecialTokens
from components.userapi.store.account_facts import AccountFacts, AccountFactsStore
from components.userapi.store.account_status import AccountStatusStore
from components.userapi.store.accounts import AccountStore
from components.userapi.store.announcing import ClientDataAnnouncements
from components.userapi.store.dehydrated_devices import DehydratedDeviceStore
from components.userapi.store.devices import DeviceStore
from components.userapi.store.directory import UserDirectoryStore
from components.userapi.store.interactive import InteractiveStore
from components.userapi.store.registration_tokens import RegistrationTokenStore
from components.userapi.store.reports import ReportStore
from components.userapi.store.schema import SCHEMA
from components.userapi.store.sessions import SessionStore
from components.userapi.store.special_tokens import SpecialTokenStore
from components.userapi.store.user_data import AccountDataStore, FilterStore, ProfileStore
from components.userapi.tags import TagService
from components.userapi.tokens import AccessTokens
from components.userapi.user_directory import UserDirectoryService
from components.userapi.user_push_rules import PushRuleService
from internalapi.clientapi import Departures
from internalapi.receipts import FullyReadMarkers
from internalapi.userapi import (
    AccountData,
    Accounts,
    Authentication,
    CurrentTokens,
    DehydratedDevices,
    Devices,
    Filters,
    OpenIDTokens,
    Profiles,
    Reports,
    UserDirectory,
    UserProofs,
)
from logs.announcing.announcer import Announcer
from logs.log import Log
from matrix.identifiers import ServerName
from matrix.room_versions import DEFAULT_ROOM_VERSION
from requesting.requesters import Requesters
from requesting.revocations import Revocations
from requesting.token_cache import TokenCache

__all__ = [
    "SCHEMA",
    "AccountFacts",
    "OperatorService",
    "UserApi",
    "UserHistoryReader",
    "build",
]


@dataclass(frozen=True, slots=True)
class UserApi:
    """The user API: what others call, what clients reach, and what has to run."""

    authentication: Authentication
    current_tokens: CurrentTokens
    accounts: Accounts
    profiles: Profiles
    filters: Filters
    account_data: AccountData
    openid_tokens: OpenIDTokens
    reports: Reports
    replaced_rooms: ReplacedRoomSettings
    operator: OperatorService
    """For commands, and for the routes of operators (`routes.operators`)."""
    user_directory: UserDirectory
    devices: Devices
    dehydrated_devices: DehydratedDevices
    proofs: UserProofs
    router: Router
    _tokens: AccessTokens
    _revocations: Revocations
    _announcer: Announcer
    _deactivations: DeactivationService
    _expiry: Expiry
    _passwords: Passwords
    _last_seen_interval_s: float

    @property
    def readings(self) -> Sequence[Source]:
        """What was counted, for metrics."""
        return (sizes_of("userapi", {"tokens": self._tokens.cache}), self._revocations.readings)

    async def run(self) -> None:
        """Announce what is written and follow what other replicas revoke, until cancelled.

        Users who are gone leave their rooms, and what has expired is deleted. While it does not
        run, tokens are read from the database, and nothing is announced.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._announcer.run())
                tasks.create_task(self._revocations.run())
                tasks.create_task(self._write_last_seen())
                tasks.create_task(self._deactivations.run())
                tasks.create_task(self._expiry.run())
        finally:
            await self._announcer.finish(self._tokens.write_last_seen)

    async def _write_last_seen(self) -> None:
        await repeat(
            self._tokens.write_last_seen,
            pause_s=self._last_seen_interval_s,
            outages=(DatabaseOutage,),
            what="noting when devices were last seen",
            pause_first=True,
        )

    def close(self) -> None:
        """End the threads that hash passwords. The database and the log are the caller's."""
        self._passwords.close()


class _Stores:
    """The tables of all topics over one database."""

    def __init__(
        self, database: Database, log: Log, settings: UserApiSettings, lease_s: float
    ) -> None:
        announcements = ClientDataAnnouncements(
            ANNOUNCED, database, log, timeout_s=settings.announce_timeout_s, lease_s=lease_s
        )
        devices_max = settings.devices_max
        self.announcements = announcements
        self.sessions = SessionStore(database, announcements, devices_max=devices_max)
        self.devices = DeviceStore(database, announcements)
        self.accounts = AccountStore(database, announcements, devices_max=devices_max)
        self.status = AccountStatusStore(database, announcements)
        self.profiles = ProfileStore(database, announcements)
        self.account_data = AccountDataStore(
            database,
            announcements,
            types_max=settings.account_data_types_max,
            bytes_max=settings.account_data_bytes_max,
        )
        self.filters = FilterStore(database, filters_max=settings.filters_max)
        self.directory = UserDirectoryStore(database)
        self.reports = ReportStore(
            database,
            reports_max=settings.reports_max,
            per_user_max=settings.reports_per_user_max,
        )
        self.special_tokens = SpecialTokenStore(database)
        self.registration_tokens = RegistrationTokenStore(database)
        self.account_facts = AccountFactsStore(database)
        self.interactive = InteractiveStore(
            database, sessions_max=settings.interactive_sessions_max
        )


class _Services:
    """What the component decides, over its stores."""

    def __init__(
        self,
        stores: _Stores,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        *,
        cache: TokenCache,
        revocations: Revocations,
        server_name: ServerName,
        settings: UserApiSettings,
        departures: Departures | None,
        markers: FullyReadMarkers | None,
    ) -> None:
        self.settings, self.server_name, self.stores = settings, server_name, stores
        self.rates = UserApiRates(settings, clock)
        self.tokens = AccessTokens(
            stores.sessions,
            clock,
            random_bytes,
            settings,
            cache=cache,
            revocations=revocations,
        )
        self.requesters = Requesters(self.tokens, self.rates.requests)
        self.passwords = Passwords(
            cost=settings.bcrypt_cost,
            threads=settings.password_threads,
            waiting_max=settings.passwords_waiting_max,
        )
        self.special_tokens = SpecialTokens(stores.special_tokens, clock, random_bytes, settings)
        self.accounts = AccountService(
            stores.accounts,
            self.tokens,
            self.passwords,
            clock,
            random_bytes,
            server_name=server_name,
            settings=settings,
        )
        self.logins = LoginService(
            self.accounts, self.tokens, self.special_tokens, self.rates, settings
        )
        self.interactive_auth = InteractiveAuth(
            stores.interactive,
            clock,
            random_bytes,
            lifetime_s=settings.interactive_session_lifetime_s,
        )
        self.proofs = Proofs(self.interactive_auth, self.logins)
        self.registrations = RegistrationService(
            self.accounts,
            self.tokens,
            stores.accounts,
            stores.registration_tokens,
            self.interactive_auth,
            clock=clock,
            settings=settings,
        )
        self.deactivations = DeactivationService(stores.status, self.tokens.cache, departures)
        self.administration = AdministrationService(
            stores.status, stores.devices, self.tokens.cache, server_name
        )
        self.operator = OperatorService(
            accounts=self.accounts,
            facts=stores.account_facts,
            status=stores.status,
            devices=stores.devices,
            profiles=stores.profiles,
            account_data=stores.account_data,
            tokens=stores.registration_tokens,
            deactivations=self.deactivations,
            cache=self.tokens.cache,
            clock=clock,
            random_bytes=random_bytes,
        )
        self.reports = ReportService(stores.reports, self.rates, clock, settings)
        self.profiles = ProfileService(stores.profiles)
        self.filters = FilterService(stores.filters, clock, settings)
        self.account_data = AccountDataService(stores.account_data, settings, markers)


def build(
    *,
    settings: UserApiSettings,
    server_name: ServerName,
    database: Database,
    log: Log,
    clock: Clock,
    random_bytes: Callable[[int], bytes],
    version: str = "",
    default_room_version: str = DEFAULT_ROOM_VERSION,
    capabilities: Mapping[str, Any] | None = None,
    departures: Departures | None = None,
    markers: FullyReadMarkers | None = None,
    lease_s: float = 0.0,
) -> UserApi:
    """Put the component together; nothing runs until `run`.

    `database` was opened with `SCHEMA`, and durable. `random_bytes` gives as many bytes as asked
    that nobody can guess: `secrets.token_bytes`. `version` of the server, `default_room_version`
    and the `capabilities` of other components are what clients are told.
    Without `departures`, deactivated users stay in their rooms until there are any; without
    `markers`, nobody is told how far they have read. `lease_s` is how long each process trusts its
    memory of tokens (`Revocations`); 0 where there is no other process.
    """
    stores = _Stores(database, log, settings, lease_s)
    cache = TokenCache(settings.token_cache_size)
    revocations = Revocations(log, cache, "userapi", clock, lease_s=lease_s)
    services = _Services(
        stores,
        clock,
        random_bytes,
        server_name=server_name,
        settings=settings,
        departures=departures,
        markers=markers,
        cache=cache,
        revocations=revocations,
    )
    router = Router()
    _add_session_routes(router, services)
    _add_user_routes(router, services)
    ServerRoutes(
        requesters=services.requesters,
        settings=settings,
        default_room_version=default_room_version,
        capabilities=capabilities or {},
        server_name=server_name,
        version=version,
    ).add_to(router)
    return UserApi(
        authentication=services.tokens,
        current_tokens=services.tokens,
        accounts=services.accounts,
        profiles=services.profiles,
        filters=services.filters,
        account_data=services.account_data,
        openid_tokens=services.special_tokens,
        reports=services.reports,
        replaced_rooms=ReplacedRoomSettings(
            services.account_data, PushRuleService(services.account_data)
        ),
        operator=services.operator,
        user_directory=UserDirectoryService(stores.directory, settings.user_directory),
        devices=stores.devices,
        dehydrated_devices=DehydratedDeviceStore(
            database, stores.announcements, clock, devices_max=settings.devices_max
        ),
        proofs=UserProofService(services.proofs, services.interactive_auth),
        router=router,
        _tokens=services.tokens,
        _revocations=revocations,
        _announcer=Announcer(stores.announcements, log),
        _deactivations=services.deactivations,
        _expiry=Expiry(database, clock),
        _passwords=services.passwords,
        _last_seen_interval_s=settings.last_seen_interval_s,
    )


def _add_session_routes(router: Router, services: _Services) -> None:
    """Add how clients come by tokens, and what happens to accounts and devices."""
    SessionRoutes(
        requesters=services.requesters,
        proofs=services.proofs,
        tokens=services.tokens,
        special_tokens=services.special_tokens,
        logins=services.logins,
        rates=services.rates,
        server_name=services.server_name,
        settings=services.settings,
    ).add_to(router)
    RegistrationRoutes(
        registrations=services.registrations,
        interactive_auth=services.interactive_auth,
        rates=services.rates,
        server_name=services.server_name,
    ).add_to(router)
    FallbackRoutes(registrations=services.registrations, rates=services.rates).add_to(router)
    AccountRoutes(
        requesters=services.requesters,
        proofs=services.proofs,
        accounts=services.accounts,
        deactivations=services.deactivations,
    ).add_to(router)
    DeviceRoutes(
        requesters=services.requesters,
        proofs=services.proofs,
        tokens=services.tokens,
        devices=services.stores.devices,
    ).add_to(router)
    AdminRoutes(requesters=services.requesters, administration=services.administration).add_to(
        router
    )


def _add_user_routes(router: Router, services: _Services) -> None:
    """Add what users keep with the server, and how others find them."""
    UserDataRoutes(
        requesters=services.requesters,
        profiles=services.profiles,
        filters=services.filters,
        account_data=services.account_data,
        tags=TagService(services.account_data),
    ).add_to(router)
    PushRuleRoutes(
        requesters=services.requesters, rules=PushRuleService(services.account_data)
    ).add_to(router)
    ReportRoutes(requesters=services.requesters, reports=services.reports).add_to(router)
    ThirdPartyIdRoutes(requesters=services.requesters, rates=services.rates).add_to(router)
    OpenIdRoutes(
        requesters=services.requesters,
        special_tokens=services.special_tokens,
        server_name=services.server_name,
    ).add_to(router)
