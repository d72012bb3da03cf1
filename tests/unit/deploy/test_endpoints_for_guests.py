"""What guests may ask for: what the specification lists, and little besides."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from base.http import Route, application
from base.http.testing import Client
from components.userapi.settings import UserApiSettings
from deploy.settings import Settings
from tests.spec.document import Operation, client_server_api
from tests.spec.routes import server_routers

_V3: Final = "/_matrix/client/v3"
_ROOM: Final = f"{_V3}/rooms/{{roomId}}"

LISTED: Final = frozenset(
    {
        f"GET {_ROOM}/state",
        f"GET {_ROOM}/context/{{eventId}}",
        f"GET {_ROOM}/event/{{eventId}}",
        f"GET {_ROOM}/state/{{eventType}}/{{stateKey}}",
        f"GET {_ROOM}/messages",
        f"GET {_ROOM}/members",
        f"GET {_ROOM}/initialSync",
        f"GET {_V3}/sync",
        f"GET {_V3}/events",
        "GET /_matrix/client/v1/media/download/{serverName}/{mediaId}",
        "GET /_matrix/client/v1/media/download/{serverName}/{mediaId}/{fileName}",
        "GET /_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}",
        f"POST {_ROOM}/join",
        f"POST {_ROOM}/leave",
        f"PUT {_ROOM}/send/{{eventType}}/{{txnId}}",
        f"PUT {_ROOM}/state/{{eventType}}/{{stateKey}}",
        f"PUT {_V3}/sendToDevice/{{eventType}}/{{txnId}}",
        f"PUT {_V3}/profile/{{userId}}/{{keyName}}",  # of the display name only
        f"GET {_V3}/devices",
        f"GET {_V3}/devices/{{deviceId}}",
        f"PUT {_V3}/devices/{{deviceId}}",
        f"GET {_V3}/account/whoami",
        f"POST {_V3}/keys/upload",
        f"POST {_V3}/keys/query",
        f"POST {_V3}/keys/claim",
    }
)
"""Client-server API, "Guest Access"."""

FURTHER: Final = {
    f"POST {_V3}/join/{{roomIdOrAlias}}": "clients join by nothing else, also by ID",
    f"GET {_V3}/capabilities": "tells clients what not to offer; it tells guests other things",
    f"GET {_V3}/voip/turnServer": "clients ask before they know who they are",
    f"GET {_V3}/thirdparty/protocols": "clients ask when they start, and stop where they fail",
    f"POST {_V3}/user/{{userId}}/filter": "clients store the filter of their /sync first",
    f"GET {_V3}/user/{{userId}}/filter/{{filterId}}": "as what was stored",
    "PUT /_matrix/client/unstable/uk.tcpip.msc4133/profile/{user_id}/{field}": "as by its new name",
    f"GET {_V3}/keys/changes": "who may ask for keys has to hear of their changes",
    f"POST {_V3}/logout": "whoever has a token can give it up",
    f"POST {_V3}/logout/all": "as for one",
}
"""What the specification does not list, and why guests may do it all the same."""

_VALUES: Final = {
    "event_id": "%24event",
    "room_id": "!room:localhost",
    "room_id_or_alias": "!room:localhost",
    "user_id": "@0:localhost",
    "field": "displayname",
    "room_alias": "%23alias:localhost",
}


@pytest.fixture(name="asked")
async def fixture_asked() -> AsyncIterator[dict[str, set[str | None]]]:
    """What guests heard at each endpoint that wants a token, by its name."""
    settings = Settings().with_section(
        UserApiSettings(guests_allowed=True, registration_rate_per_address=None)
    )
    async with server_routers(settings) as routers:
        client = Client(application(routers.values()))
        registered = await client.post(f"{_V3}/register?kind=guest", {})
        user_id: str = registered.json["user_id"]
        heard: dict[str, set[str | None]] = {}
        for route in (route for router in routers.values() for route in router.routes):
            target = _target(route, user_id)
            anybody = await client.request(route.method, target, {})
            if anybody.headers["content-type"] != "application/json":
                continue  # a page for people
            if anybody.errcode != "M_MISSING_TOKEN":
                continue
            # A token each, as some end it.
            body = (await client.post(f"{_V3}/register?kind=guest", {})).json
            guest = client.as_user(body["access_token"])
            answer = await guest.request(route.method, _target(route, body["user_id"]), {})
            heard.setdefault(_name(route), set()).add(answer.errcode)
        yield heard


def _target(route: Route, user_id: str) -> str:
    values: dict[str, Any] = {**_VALUES, "user_id": user_id}
    path = route.template
    for name in route.parameters:
        path = path.replace(f"{{{name}}}", values.get(name, "1"))
    # Without a room these are not previews.
    return f"{path}?room_id=!room:localhost" if path.endswith("/events") else path


def _name(route: Route) -> str:
    operation: Operation | None = client_server_api().find(route.template).get(route.method)
    return f"{route.method} {route.template}" if operation is None else operation.name


async def test_guests_may_do_what_is_listed(asked: dict[str, set[str | None]]) -> None:
    may = {name for name, errcodes in asked.items() if "M_GUEST_ACCESS_FORBIDDEN" not in errcodes}

    assert may == set(asked) & (LISTED | set(FURTHER))


async def test_guests_hear_of_all_else_that_it_is_not_for_them(
    asked: dict[str, set[str | None]],
) -> None:
    others = {
        name: errcodes for name, errcodes in asked.items() if name not in LISTED | set(FURTHER)
    }

    assert others == {key: {"M_GUEST_ACCESS_FORBIDDEN"} for key in others}
    assert others
