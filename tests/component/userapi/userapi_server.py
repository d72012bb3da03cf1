"""The user API on a real database and an embedded log, called through its own routes."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from base.clock import ManualClock
from base.database import open_database
from base.http import application
from base.http.testing import Answer
from components.userapi.assembly import SCHEMA, UserApi, build
from components.userapi.settings import UserApiSettings
from internalapi.clientapi import Departures
from logs.embedded import EmbeddedLog
from logs.log import Log, Record
from logs.records.client_data import OutputClientData
from logs.topics import OUTPUT_CLIENT_DATA
from matrix.identifiers import ServerName
from tests.spec.clients import CheckedClient

SETTINGS = UserApiSettings(
    registration="open",
    bcrypt_cost=4,
    login_rate_per_address=None,
    login_rate_per_account=None,
    registration_rate_per_address=None,
)
V3 = "/_matrix/client/v3"
PASSWORD = "correct horse"
DUMMY = {"type": "m.login.dummy"}


class UserApiServer:
    """One replica of the user API, and clients of it."""

    def __init__(self, api: UserApi, log: Log, clock: ManualClock) -> None:
        self.api = api
        self.log = log
        self.clock = clock
        self.application = application([api.router])
        self.client = CheckedClient(self.application)

    async def register(self, username: str, **fields: Any) -> Answer:
        """Register in one step."""
        body = {"username": username, "password": PASSWORD, "auth": DUMMY, **fields}
        return await self.client.post(f"{V3}/register", body)

    async def user(self, username: str, **fields: Any) -> "User":
        """Register a user and return them."""
        answer = await self.register(username, **fields)
        assert answer.status == 200, answer
        return User(self, answer.json)

    async def login(self, username: str, password: str = PASSWORD, **fields: Any) -> Answer:
        """Log in by password."""
        return await self.client.post(
            f"{V3}/login",
            {
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": username},
                "password": password,
                **fields,
            },
        )

    async def whoami(self, access_token: str) -> Answer:
        """Ask whose token it is."""
        return await self.client.as_user(access_token).get(f"{V3}/account/whoami")

    async def admin(self, username: str = "root") -> "User":
        """Create an administrator and return them."""
        made = await self.api.accounts.perform_create_account(
            localpart=username, password=PASSWORD, is_admin=True
        )
        return User(self, msgspec.to_builtins(made))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the background work; on entry tokens are kept in memory."""
        task = asyncio.create_task(self.api.run())
        await self.api._tokens.cache.listens.wait()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def all_announced(self) -> list[OutputClientData]:
        """Announce what is written, and return all records of OutputClientData."""
        await self.api._announcer.send_all()
        _, end = (await self.log.bounds(OUTPUT_CLIENT_DATA.name))[0]
        return await self.announced(end)

    async def announced(self, count: int) -> list[OutputClientData]:
        """Return the first so many records of OutputClientData, once they are there."""
        records: list[Record] = []
        tail = await self.log.tail(OUTPUT_CLIENT_DATA.name, {0: 0})
        while len(records) < count:
            records.extend(await tail.read())
        await tail.close()
        return [OUTPUT_CLIENT_DATA.decode(record.value) for record in records[:count]]


class User:
    """A registered user, and their client."""

    def __init__(self, server: UserApiServer, registered: dict[str, Any]) -> None:
        self.user_id: str = registered["user_id"]
        self.device_id: str = registered["device_id"]
        self.access_token: str = registered["access_token"]
        self.refresh_token: str | None = registered.get("refresh_token")
        self.client = server.client.as_user(self.access_token)

    def proof(self, password: str = PASSWORD, **fields: Any) -> dict[str, Any]:
        """Return the interactive stage that proves to be the user."""
        identifier = {"type": "m.id.user", "user": self.user_id}
        return {
            "type": "m.login.password",
            "identifier": identifier,
            "password": password,
            **fields,
        }


class Deployment:
    """A database and a log, for any number of replicas."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._database_url = database_url
        self._folder = folder
        self.clock = ManualClock()

    @contextlib.asynccontextmanager
    async def open_log(self) -> AsyncIterator[Log]:
        """Open the log."""
        log = await EmbeddedLog.open(self._folder / "log", {OUTPUT_CLIENT_DATA.name: 1})
        try:
            yield log
        finally:
            await log.close()

    @contextlib.asynccontextmanager
    async def start(
        self,
        log: Log,
        *,
        departures: Departures | None = None,
        lease_s: float = 0.0,
        **changes: Any,
    ) -> AsyncIterator[UserApiServer]:
        """Start a replica, without its background work."""
        database = await open_database(self._database_url, SCHEMA, durable=True)
        api = build(
            settings=msgspec.structs.replace(SETTINGS, **changes),
            server_name=ServerName("xylem.test"),
            database=database,
            log=log,
            clock=self.clock,
            random_bytes=secrets.token_bytes,
            departures=departures,
            lease_s=lease_s,
        )
        try:
            yield UserApiServer(api, log, self.clock)
        finally:
            api.close()
            await database.close()
