"""The route table beside the routes that the components really have."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest

from base.clock import Clock, SystemClock
from base.database import Database, Schema, open_database
from base.http import Router
from components.clientapi import component as clientapi
from components.clientapi.settings import ClientApiSettings
from components.roomserver import component as roomserver
from components.roomserver.settings import RoomServerSettings
from components.syncapi import component as syncapi
from components.syncapi.settings import SyncApiSettings
from components.userapi import component as userapi
from components.userapi.settings import UserApiSettings
from deploy.proxy_files import MACHINE_NUMBERS, files
from deploy.route_table import FALLBACK, TABLE, Line, component_for, served_components
from logs.embedded import EmbeddedLog
from logs.log import Log
from logs.topics import TOPICS
from matrix.identifiers import ServerName
from matrix.signing import SigningKey

COMPONENTS = Path(__file__).parents[3] / "components"
NOT_FOR_CLIENTS = {"roomserver"}

Routers: TypeAlias = Mapping[str, Router]


class _House:
    """What every component is built from."""

    def __init__(self, folder: Path, log: Log, stack: AsyncExitStack) -> None:
        self.log = log
        self.clock: Clock = SystemClock()
        self._url = f"sqlite:///{folder}"
        self._stack = stack

    async def database(self, schema: Schema) -> Database:
        database = await open_database(self._url, schema, durable=False)
        self._stack.push_async_callback(database.close)
        return database

    async def users(self) -> userapi.UserApi:
        users = userapi.build(
            settings=UserApiSettings(),
            server_name=ServerName("example.org"),
            database=await self.database(userapi.SCHEMA),
            log=self.log,
            clock=self.clock,
            random_bytes=bytes,
        )
        self._stack.callback(users.close)
        return users

    async def sync(self, users: userapi.UserApi) -> syncapi.SyncApi:
        return await syncapi.build(
            log=self.log,
            database=await self.database(syncapi.SCHEMA),
            settings=SyncApiSettings(),
            clock=self.clock,
            authentication=users.authentication,
            filters=users.filters,
        )

    async def clients(self, users: userapi.UserApi) -> clientapi.ClientApi:
        rooms = roomserver.build(
            log=self.log,
            database=await self.database(roomserver.SCHEMA),
            settings=RoomServerSettings(),
            clock=self.clock,
        )
        return clientapi.build(
            log=self.log,
            rooms=rooms.queries,
            directory=rooms.directory,
            authentication=users.authentication,
            profiles=users.profiles,
            accounts=users.accounts,
            server_name=ServerName("example.org"),
            key=SigningKey.generate("1", bytes(32)),
            clock=self.clock,
            settings=ClientApiSettings(),
            default_room_version="12",
        )


@pytest.fixture(name="routers")
async def fixture_routers(tmp_path: Path) -> AsyncIterator[Routers]:
    async with AsyncExitStack() as stack:
        log = await EmbeddedLog.open(
            tmp_path / "log", dict.fromkeys(TOPICS, 1), clock=SystemClock()
        )
        stack.push_async_callback(log.close)
        house = _House(tmp_path, log, stack)
        users = await house.users()
        yield {
            "userapi": users.router,
            "clientapi": (await house.clients(users)).router,
            "syncapi": (await house.sync(users)).router,
        }


class Sample(NamedTuple):
    """A request that a route of a component answers."""

    component: str
    method: str
    path: str


def samples(routers: Routers) -> list[Sample]:
    """Return for each route a request whose identifiers have all that a path may have."""
    return [
        Sample(name, method, re.sub(r"\{\w+\}", "!a%2Fb%3Fc:d.e-f~", route.template))
        for name, router in routers.items()
        for route in router.routes
        for method in (("GET", "HEAD") if route.method == "GET" else (route.method,))
    ]


def test_every_component_is_in_the_table_or_known_not_to_serve_clients(routers: Routers) -> None:
    folders = {path.parent.name for path in COMPONENTS.glob("*/component.py")}

    assert set(routers) | NOT_FOR_CLIENTS == folders
    assert set(served_components()) == set(routers)
    assert set(MACHINE_NUMBERS) == folders


def test_every_route_of_a_component_is_sent_to_it(routers: Routers) -> None:
    lost = [
        f"{one.method} {one.path} is {one.component}'s, and sent to {sent}"
        for one in samples(routers)
        if (sent := component_for(one.method, one.path)) != one.component
    ]

    assert lost == [], "add a line to deploy/route_table.py, then: python -m deploy.proxy_files"


def test_every_alternative_of_every_line_has_a_route(routers: Routers) -> None:
    known = samples(routers)
    idle = [
        part
        for line in TABLE
        for part in line.alternatives()
        if not any(part.matches(one.method, one.path) for one in known)
    ]

    assert idle == []


def test_no_request_is_matched_by_two_lines(routers: Routers) -> None:
    methods = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
    paths = {one.path for one in samples(routers)}
    several = {
        (method, path): found
        for path in paths
        for method in methods
        if len(found := [line for line in TABLE if line.matches(method, path)]) != 1
    }

    assert several == {}


def test_the_fallback_serves_clients() -> None:
    assert FALLBACK in served_components()


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a/*/b", "/a/x%2Fy/b", True),
        ("/a/*/b", "/a//b", False),
        ("/a/*/b", "/a/x/y/b", False),
        ("/a/{b,c}/**", "/a/b", True),
        ("/a/{b,c}/**", "/a/c/", True),
        ("/a/{b,c}/**", "/a/c/d/e", True),
        ("/a/{b,c}/**", "/a/bc", False),
        ("/a.b", "/acb", False),
        ("/a", "/a/", False),
    ],
)
def test_a_pattern_matches_whole_segments(pattern: str, path: str, *, matches: bool) -> None:
    assert Line("userapi", pattern).matches("GET", path) is matches


def test_a_line_with_methods_matches_only_these() -> None:
    line = Line("userapi", "/a", ("PUT",))

    assert line.matches("PUT", "/a")
    assert not line.matches("GET", "/a")


@pytest.mark.parametrize(("path", "make"), files().items(), ids=[path.name for path in files()])
def test_a_file_made_from_the_table_is_up_to_date(path: Path, make: Callable[[], str]) -> None:
    assert path.read_text(encoding="utf-8") == make(), "run: python -m deploy.proxy_files"
