"""The route table beside the routes that the components really have."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest

from base.http import Router
from deploy.generating.proxy_files import files
from deploy.generating.route_table import FALLBACK, TABLE, component_for, served_components
from describing.public_paths import PublicPath
from tests.spec.routes import server_routers

Routers: TypeAlias = Mapping[str, Router]


@pytest.fixture(name="routers")
async def fixture_routers() -> AsyncIterator[Routers]:
    async with server_routers() as routers:
        yield routers


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


def test_the_table_serves_the_components_that_have_routes(routers: Routers) -> None:
    assert set(served_components()) == set(routers)


def test_every_route_of_a_component_is_sent_to_it(routers: Routers) -> None:
    lost = [
        f"{one.method} {one.path} is {one.component}'s, and sent to {sent}"
        for one in samples(routers)
        if (sent := component_for(one.method, one.path)) != one.component
    ]

    assert lost == [], "add a public path to the component, then: make docs"


def test_every_alternative_of_every_line_has_a_route(routers: Routers) -> None:
    known = samples(routers)
    idle = [
        part
        for line in TABLE
        for part in line.path.alternatives()
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
        if len(found := [line for line in TABLE if line.path.matches(method, path)]) != 1
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
    assert PublicPath(pattern).matches("GET", path) is matches


def test_a_line_with_methods_matches_only_these() -> None:
    path = PublicPath("/a", ("PUT",))

    assert path.matches("PUT", "/a")
    assert not path.matches("GET", "/a")


@pytest.mark.parametrize(("path", "make"), files().items(), ids=[path.name for path in files()])
def test_a_file_made_from_the_table_is_up_to_date(path: Path, make: Callable[[], str]) -> None:
    assert path.read_text(encoding="utf-8") == make(), "run: make docs"
