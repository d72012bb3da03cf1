"""What the server says that it can do is what it can do."""

from typing import Final

from base.http import application
from base.http.testing import Client
from tests.spec.routes import server_routers

_ROOM: Final = "/_matrix/client/v3/rooms/{}"
_RECEIPT: Final = f"POST {_ROOM}/receipt/{{}}/{{}}"
_SYNC: Final = "GET /_matrix/client/v3/sync"
_CHILDREN: Final = "GET /_matrix/client/v1/rooms/{}/relations/{}"

NEEDED: Final = {
    "org.matrix.msc2285.stable": {_RECEIPT, _SYNC},
    "org.matrix.msc3440.stable": {f"{_CHILDREN}/{{}}", _SYNC},
    "org.matrix.msc3715.stable": {_CHILDREN},
    "org.matrix.msc3771": {_RECEIPT},
    "org.matrix.msc3773": {_SYNC, "POST /_matrix/client/v3/user/{}/filter"},
    "org.matrix.msc3827.stable": {"POST /_matrix/client/v3/publicRooms"},
    "org.matrix.msc3856.stable": {"GET /_matrix/client/v1/rooms/{}/threads"},
    "org.matrix.msc3981": {_CHILDREN},
}
"""By feature, the endpoints by which clients use it."""


async def test_features_that_are_announced_have_their_endpoints() -> None:
    async with server_routers() as routers:
        answering = application(routers.values())
        announced = (await Client(answering).get("/_matrix/client/versions")).json
        answered = {
            f"{route.method} {_shape(route.template)}"
            for router in routers.values()
            for route in router.routes
        }

    assert announced["unstable_features"] == dict.fromkeys(NEEDED, True)
    for feature, endpoints in NEEDED.items():
        assert endpoints <= answered, feature


def _shape(template: str) -> str:
    return "/".join("{}" if one.startswith("{") else one for one in template.split("/"))
