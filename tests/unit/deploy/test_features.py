"""What the server says that it can do is what it can do."""

from typing import Final

import pytest

from base.http import application
from base.http.former_names import FORMER_PATHS
from base.http.testing import Client
from tests.spec.routes import server_routers

_UNSTABLE: Final = "/_matrix/client/unstable"
_DEHYDRATED: Final = f"{_UNSTABLE}/org.matrix.msc3814.v1/dehydrated_device"
_ROOM: Final = "/_matrix/client/v3/rooms/{}"
_RECEIPT: Final = f"POST {_ROOM}/receipt/{{}}/{{}}"
_SYNC: Final = "GET /_matrix/client/v3/sync"
_CHILDREN: Final = "GET /_matrix/client/v1/rooms/{}/relations/{}"

NEEDED: Final = {
    "com.beeper.msc4169": {f"PUT {_ROOM}/send/{{}}/{{}}"},
    "org.matrix.e2e_cross_signing": {
        "POST /_matrix/client/v3/keys/device_signing/upload",
        "POST /_matrix/client/v3/keys/query",
        "POST /_matrix/client/v3/keys/signatures/upload",
    },
    "org.matrix.msc2285.stable": {_RECEIPT, _SYNC},
    "org.matrix.msc2432": {f"GET {_ROOM}/aliases"},
    "org.matrix.msc3030": {
        "GET /_matrix/client/v1/rooms/{}/timestamp_to_event",
        f"GET {_UNSTABLE}/org.matrix.msc3030/rooms/{{}}/timestamp_to_event",
    },
    "org.matrix.msc3266": {
        "GET /_matrix/client/v1/room_summary/{}",
        f"GET {_UNSTABLE}/im.nheko.summary/summary/{{}}",
        f"GET {_UNSTABLE}/im.nheko.summary/rooms/{{}}/summary",
    },
    "org.matrix.msc3440.stable": {f"{_CHILDREN}/{{}}", _SYNC},
    "org.matrix.msc3715.stable": {_CHILDREN},
    "org.matrix.msc3771": {_RECEIPT},
    "org.matrix.msc3773": {_SYNC, "POST /_matrix/client/v3/user/{}/filter"},
    "org.matrix.msc3814": {
        *(f"{method} {_DEHYDRATED}" for method in ("GET", "PUT", "DELETE")),
        *(f"{method} {_DEHYDRATED}/{{}}/events" for method in ("GET", "POST")),
    },
    "org.matrix.msc3827.stable": {"POST /_matrix/client/v3/publicRooms"},
    "org.matrix.msc3856.stable": {"GET /_matrix/client/v1/rooms/{}/threads"},
    "org.matrix.msc3882": {
        "POST /_matrix/client/v1/login/get_token",
        f"POST {_UNSTABLE}/org.matrix.msc3882/login/get_token",
    },
    "org.matrix.msc3916.stable": {
        "GET /_matrix/client/v1/media/config",
        "GET /_matrix/client/v1/media/download/{}/{}",
        "GET /_matrix/client/v1/media/download/{}/{}/{}",
        "GET /_matrix/client/v1/media/thumbnail/{}/{}",
    },
    "org.matrix.msc3952_intentional_mentions": {"GET /_matrix/client/v3/pushrules/global/"},
    "org.matrix.msc3981": {_CHILDREN},
    "org.matrix.msc4222": {_SYNC},
    "org.matrix.msc4380.stable": {"PUT /_matrix/client/v3/user/{}/account_data/{}"},
    "uk.half-shot.msc2666.query_mutual_rooms": {
        f"GET {_UNSTABLE}/uk.half-shot.msc2666/user/mutual_rooms"
    },
    "uk.half-shot.msc2666.query_mutual_rooms.stable": {"GET /_matrix/client/v1/mutual_rooms"},
    "uk.tcpip.msc4133": {
        f"GET {_UNSTABLE}/uk.tcpip.msc4133/profile/{{}}",
        f"GET {_UNSTABLE}/uk.tcpip.msc4133/profile/{{}}/{{}}",
        f"PUT {_UNSTABLE}/uk.tcpip.msc4133/profile/{{}}/{{}}",
        f"DELETE {_UNSTABLE}/uk.tcpip.msc4133/profile/{{}}/{{}}",
    },
    "uk.tcpip.msc4133.stable": {"DELETE /_matrix/client/v3/profile/{}/{}"},
    "uk.timedout.msc4323": {
        f"PUT {_UNSTABLE}/uk.timedout.msc4323/admin/lock/{{}}",
        f"PUT {_UNSTABLE}/uk.timedout.msc4323/admin/suspend/{{}}",
    },
}
"""By feature, the endpoints by which clients use it."""

ABSENT: Final = {
    "fi.mau.msc2246": "a draft with paths of its own",
    "fi.mau.msc2659": "application services",
    "fi.mau.msc2659.stable": "application services",
    "io.element.e2ee_forced.private": "encryption is the clients' choice",
    "org.matrix.msc2285": "the name of a draft: clients ask for .stable first",
    "org.matrix.msc3391": "not in the specification",
    "org.matrix.msc3440": "the name of a draft: clients ask for .stable first",
    "org.matrix.msc3715": "the name of a draft: clients ask for .stable first",
    "org.matrix.msc3856": "the name of a draft: clients ask for .stable first",
    "org.matrix.msc3881": "pushers",
    "org.matrix.msc3912": "not in the specification",
    "org.matrix.msc3916": "the name of a draft: clients ask for .stable as well",
    "org.matrix.msc4108": "not in the specification",
    "org.matrix.msc4140": "not in the specification",
    "org.matrix.simplified_msc3575": "not in the specification",
    "uk.half-shot.msc2666": "a draft with the user in the path",
    "uk.half-shot.msc2666.mutual_rooms": "a draft with the user in the path",
}
"""What clients look for and the server does not have, with the reason."""

SOUGHT: Final = {
    "matrix-js-sdk": {
        "org.matrix.msc2285.stable",
        "org.matrix.msc3391",
        "org.matrix.msc3440",
        "org.matrix.msc3440.stable",
        "org.matrix.msc3715",
        "org.matrix.msc3715.stable",
        "org.matrix.msc3771",
        "org.matrix.msc3773",
        "org.matrix.msc3856",
        "org.matrix.msc3856.stable",
        "org.matrix.msc3881",
        "org.matrix.msc3882",
        "org.matrix.msc3912",
        "org.matrix.msc3952_intentional_mentions",
        "org.matrix.msc3981",
        "org.matrix.msc4108",
        "org.matrix.msc4140",
        "uk.half-shot.msc2666",
        "uk.half-shot.msc2666.mutual_rooms",
        "uk.half-shot.msc2666.query_mutual_rooms",
        "uk.tcpip.msc4133",
        "uk.tcpip.msc4133.stable",
    },
    # Its requests are those of the library ruma.
    "matrix-rust-sdk": {
        "fi.mau.msc2246",
        "fi.mau.msc2659",
        "fi.mau.msc2659.stable",
        "org.matrix.msc2432",
        "org.matrix.msc3030",
        "org.matrix.msc3882",
        "org.matrix.msc3916",
        "org.matrix.msc3916.stable",
        "org.matrix.msc4108",
        "org.matrix.msc4140",
        "org.matrix.simplified_msc3575",
        "uk.half-shot.msc2666.query_mutual_rooms",
        "uk.half-shot.msc2666.query_mutual_rooms.stable",
        "uk.tcpip.msc4133",
        "uk.timedout.msc4323",
    },
    # It takes the endpoints for granted.
    "matrix-nio": set[str](),
    "Element": {
        "io.element.e2ee_forced.private",
        "org.matrix.e2e_cross_signing",
        "org.matrix.msc2285",
        "org.matrix.msc3266",
        "org.matrix.msc3827.stable",
        "org.matrix.msc4380.stable",
    },
    "mautrix": {"com.beeper.msc4169", "uk.timedout.msc4323"},
}
"""What clients look for in `/versions`, as their sources have it."""


async def test_features_that_are_announced_have_their_endpoints() -> None:
    announced, answered = await what_the_server_says()

    assert announced == dict.fromkeys(NEEDED, True)
    for feature, endpoints in NEEDED.items():
        assert endpoints <= answered, feature


@pytest.mark.parametrize("client", SOUGHT)
def test_what_a_client_looks_for_is_announced_or_absent_for_a_reason(client: str) -> None:
    assert SOUGHT[client] <= NEEDED.keys() | ABSENT.keys()


async def test_every_former_path_is_answered_like_the_path_of_today() -> None:
    _, answered = await what_the_server_says()

    for path, former in FORMER_PATHS.items():
        methods = {one.split(" ")[0] for one in answered if one.endswith(f" {path}")}
        assert methods, path
        assert {f"{method} {one}" for method in methods for one in former} <= answered, path


async def what_the_server_says() -> tuple[dict[str, bool], set[str]]:
    """Return the features that are announced, and the methods and paths that are answered."""
    async with server_routers() as routers:
        answering = application(routers.values())
        announced = (await Client(answering).get("/_matrix/client/versions")).json
        answered = {
            f"{route.method} {_shape(route.template)}"
            for router in routers.values()
            for route in router.routes
        }
    return announced["unstable_features"], answered


def _shape(template: str) -> str:
    return "/".join("{}" if one.startswith("{") else one for one in template.split("/"))
