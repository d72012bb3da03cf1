"""Endpoints that the specification calls rate-limited tell who asks too often how long to wait."""

import itertools
import math
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec
import pytest

from base.http import Application, Route, application
from base.http.testing import Answer, Client
from base.limits import Rate
from components.clientapi.settings import ClientApiSettings
from components.keyserver.settings import KeyServerSettings
from components.mediaapi.settings import MediaApiSettings
from components.syncapi.settings import SyncApiSettings
from components.userapi.settings import UserApiSettings
from deploy.settings import Settings
from tests.spec.document import Operation, client_server_api
from tests.spec.routes import server_routers

_V3: Final = "/_matrix/client/v3"
_HOURLY: Final = Rate(per_second=1 / 3600, burst=1)
_PASSWORD: Final = "correct horse"
_BODIES: Final[dict[str, Any]] = {
    f"POST {_V3}/login": {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": "nobody"},
        "password": _PASSWORD,
    },
    f"POST {_V3}/refresh": {"refresh_token": "none"},
    f"POST {_V3}/users/{{userId}}/report": {"reason": "A reason"},
}
"""What a request has in it where it is counted after it has been read."""
_VALUES: Final = {
    "event_id": "%24event",
    "kind": "override",
    "room_id": "!room:localhost",
    "room_id_or_alias": "!room:localhost",
    "receipt_type": "m.read",
    "field": "displayname",
}
_Section = TypeVar(
    "_Section",
    UserApiSettings,
    ClientApiSettings,
    KeyServerSettings,
    SyncApiSettings,
    MediaApiSettings,
)


@pytest.fixture(name="strict")
async def fixture_strict() -> AsyncIterator[tuple[Application, list[Route]]]:
    """A server that lets nobody ask for anything twice in an hour."""
    settings = Settings()
    for section in (
        _strict(UserApiSettings(registration="open", bcrypt_cost=4)),
        _strict(ClientApiSettings()),
        _strict(KeyServerSettings()),
        _strict(SyncApiSettings()),
        _strict(MediaApiSettings()),
    ):
        settings = settings.with_section(section)
    async with server_routers(settings) as routers:
        routes = [route for router in routers.values() for route in router.routes]
        yield application(routers.values()), routes


def _strict(settings: _Section) -> _Section:
    rates = {name: _HOURLY for name in settings.__struct_fields__ if "_rate_per_" in name}
    assert rates
    return msgspec.structs.replace(settings, **rates)


async def test_who_asks_too_often_hears_how_long_to_wait(
    strict: tuple[Application, list[Route]],
) -> None:
    answering, routes = strict
    numbers = itertools.count(1)
    wrong = {}
    for operation, route in _limited(routes):
        # Each from an address of its own, as some limits are per address.
        client = Client(answering, address=f"192.0.2.{next(numbers)}")
        name = f"user{next(numbers)}"
        account = {"username": name, "password": _PASSWORD, "auth": {"type": "m.login.dummy"}}
        registered = (await client.post(f"{_V3}/register", account)).json
        user = client.as_user(registered["access_token"])
        target = _target(route, registered["user_id"])
        body = _BODIES.get(operation.name, {})
        answers = [await user.request(route.method, target, body) for _ in range(3)]
        if not _says_how_long_to_wait(answers[-1]):
            wrong[operation.name] = answers

    assert wrong == {}


def _limited(routes: list[Route]) -> list[tuple[Operation, Route]]:
    """Return the implemented operations that the specification calls rate-limited."""
    found = []
    for route in routes:
        operation = client_server_api().find(route.template).get(route.method)
        if operation is not None and "429" in operation.facts["responses"]:
            found.append((operation, route))
    assert found
    return found


def _target(route: Route, user_id: str) -> str:
    values = {**_VALUES, "user_id": quote(user_id)}
    path = route.template
    for name in route.parameters:
        path = path.replace(f"{{{name}}}", values.get(name, "1"))
    return path


def _says_how_long_to_wait(answer: Answer) -> bool:
    if (answer.status, answer.errcode) != (429, "M_LIMIT_EXCEEDED"):
        return False
    wait_ms: int = answer.json["retry_after_ms"]
    return wait_ms > 0 and int(answer.headers["retry-after"]) == math.ceil(wait_ms / 1000)
