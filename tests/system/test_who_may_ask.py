"""Guests, suspended and locked accounts at every endpoint there is: what each may, and what not.

A new route is for none of them until it says so, and is in none of these lists.
"""

import itertools
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import aiohttp
import pytest

from base.http import Route
from tests.spec.routes import server_routers
from tests.system.client import Client, Homeserver
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.server_process import SHARED_SECRET, ServerProcess

GUEST: Final = (403, "M_GUEST_ACCESS_FORBIDDEN")
SUSPENDED: Final = (403, "M_USER_SUSPENDED")
LOCKED: Final = (401, "M_USER_LOCKED")
REFUSALS: Final = (GUEST, SUSPENDED, LOCKED)


def listed(text: str) -> set[str]:
    return set(text.strip().splitlines())


ASK_NO_TOKEN: Final = listed("""
GET /
GET /.well-known/matrix/client
GET /.well-known/matrix/support
GET /_matrix/static/client/login/
GET /_synapse/admin/v1/register
POST /_synapse/admin/v1/register
GET /versions
GET /login
POST /login
POST /refresh
POST /register
GET /register/available
GET /register/m.login.registration_token/validity
POST /register/email/requestToken
POST /register/msisdn/requestToken
GET /auth/{stage}/fallback/web
POST /auth/{stage}/fallback/web
POST /account/3pid/email/requestToken
POST /account/3pid/msisdn/requestToken
POST /account/password/email/requestToken
POST /account/password/msisdn/requestToken
GET /profile/{user_id}
GET /profile/{user_id}/{field}
GET /directory/room/{room_alias}
GET /directory/list/room/{room_id}
""")
LOG_OUT: Final = listed("""
POST /logout
POST /logout/all
""")
# Client-server API, "Guest Access", as far as there is encryption.
GUESTS_MAY: Final = listed("""
GET /rooms/{room_id}/state
GET /rooms/{room_id}/context/{event_id}
GET /rooms/{room_id}/event/{event_id}
GET /rooms/{room_id}/state/{event_type}/{state_key}
GET /rooms/{room_id}/messages
GET /rooms/{room_id}/members
GET /rooms/{room_id}/initialSync
GET /sync
GET /events
POST /rooms/{room_id}/join
POST /rooms/{room_id}/leave
PUT /rooms/{room_id}/send/{event_type}/{transaction_id}
PUT /sendToDevice/{event_type}/{transaction_id}
PUT /rooms/{room_id}/state/{event_type}/{state_key}
PUT /profile/{user_id}/{field}
GET /devices
GET /devices/{device_id}
PUT /devices/{device_id}
POST /keys/upload
POST /keys/query
POST /keys/claim
GET /account/whoami
GET /media/download/{server_name}/{media_id}/{file_name}
GET /media/thumbnail/{server_name}/{media_id}
""")
# What their clients ask of every server before anything else, or may ask without a token, too.
GUESTS_MAY_BESIDES: Final = listed("""
POST /join/{room_id_or_alias}
POST /user/{user_id}/filter
GET /user/{user_id}/filter/{filter_id}
GET /capabilities
GET /voip/turnServer
GET /thirdparty/protocols
GET /publicRooms
GET /room_summary/{room_id_or_alias}
GET /rooms/{room_id_or_alias}/summary
GET /_matrix/media/v3/download/{server_name}/{media_id}/{file_name}
GET /_matrix/media/v3/thumbnail/{server_name}/{media_id}
GET /keys/changes
""")
# Client-server API, "Account suspension": they read, leave, redact their own, and keep their
# account and devices; and they change what nobody but them sees.
THE_SUSPENDED_MAY: Final = listed("""
GET /_matrix/media/v3/download/{server_name}/{media_id}/{file_name}
GET /_matrix/media/v3/thumbnail/{server_name}/{media_id}
GET /media/config
GET /media/download/{server_name}/{media_id}/{file_name}
GET /media/preview_url
GET /media/thumbnail/{server_name}/{media_id}
GET /sync
GET /events
GET /events/{event_id}
GET /initialSync
GET /joined_rooms
GET /publicRooms
POST /publicRooms
GET /room_summary/{room_id_or_alias}
GET /rooms/{room_id_or_alias}/summary
GET /rooms/{room_id}/aliases
GET /rooms/{room_id}/context/{event_id}
GET /rooms/{room_id}/event/{event_id}
GET /rooms/{room_id}/hierarchy
GET /rooms/{room_id}/initialSync
GET /rooms/{room_id}/joined_members
GET /rooms/{room_id}/members
GET /rooms/{room_id}/messages
GET /rooms/{room_id}/relations/{event_id}
GET /rooms/{room_id}/relations/{event_id}/{rel_type}
GET /rooms/{room_id}/relations/{event_id}/{rel_type}/{type}
GET /rooms/{room_id}/state
GET /rooms/{room_id}/state/{event_type}/{state_key}
GET /rooms/{room_id}/threads
GET /rooms/{room_id}/timestamp_to_event
GET /mutual_rooms
POST /user_directory/search
GET /capabilities
GET /voip/turnServer
GET /thirdparty/protocols
POST /rooms/{room_id}/leave
POST /rooms/{room_id}/forget
PUT /rooms/{room_id}/send/{event_type}/{transaction_id}
PUT /sendToDevice/{event_type}/{transaction_id}
PUT /rooms/{room_id}/state/{event_type}/{state_key}
PUT /rooms/{room_id}/redact/{event_id}/{transaction_id}
PUT /rooms/{room_id}/typing/{user_id}
POST /rooms/{room_id}/receipt/{receipt_type}/{event_id}
POST /rooms/{room_id}/read_markers
POST /rooms/{room_id}/report
POST /rooms/{room_id}/report/{event_id}
POST /users/{user_id}/report
POST /user/{user_id}/filter
GET /user/{user_id}/filter/{filter_id}
GET /user/{user_id}/account_data/{type}
PUT /user/{user_id}/account_data/{type}
GET /user/{user_id}/rooms/{room_id}/account_data/{type}
PUT /user/{user_id}/rooms/{room_id}/account_data/{type}
GET /user/{user_id}/rooms/{room_id}/tags
PUT /user/{user_id}/rooms/{room_id}/tags/{tag}
DELETE /user/{user_id}/rooms/{room_id}/tags/{tag}
GET /pushrules/
GET /pushrules/global/
GET /pushrules/global/{kind}/
GET /pushrules/global/{kind}/{rule_id}
PUT /pushrules/global/{kind}/{rule_id}
DELETE /pushrules/global/{kind}/{rule_id}
GET /pushrules/global/{kind}/{rule_id}/enabled
PUT /pushrules/global/{kind}/{rule_id}/enabled
GET /pushrules/global/{kind}/{rule_id}/actions
PUT /pushrules/global/{kind}/{rule_id}/actions
GET /account/whoami
POST /account/password
POST /account/deactivate
GET /account/3pid
POST /account/3pid
POST /account/3pid/add
POST /account/3pid/bind
GET /admin/whois/{user_id}
GET /pushers
GET /devices
GET /devices/{device_id}
PUT /devices/{device_id}
DELETE /devices/{device_id}
POST /delete_devices
POST /keys/device_signing/upload
POST /keys/signatures/upload
POST /keys/upload
POST /keys/query
POST /keys/claim
GET /keys/changes
POST /room_keys/version
GET /room_keys/version
GET /room_keys/version/{version}
PUT /room_keys/version/{version}
DELETE /room_keys/version/{version}
PUT /room_keys/keys
GET /room_keys/keys
DELETE /room_keys/keys
PUT /room_keys/keys/{room_id}
GET /room_keys/keys/{room_id}
DELETE /room_keys/keys/{room_id}
PUT /room_keys/keys/{room_id}/{session_id}
GET /room_keys/keys/{room_id}/{session_id}
DELETE /room_keys/keys/{room_id}/{session_id}
GET /unstable/org.matrix.msc2697.v2/dehydrated_device
GET /unstable/org.matrix.msc3814.v1/dehydrated_device
PUT /unstable/org.matrix.msc3814.v1/dehydrated_device
DELETE /unstable/org.matrix.msc3814.v1/dehydrated_device
GET /unstable/org.matrix.msc3814.v1/dehydrated_device/{device_id}/events
POST /unstable/org.matrix.msc3814.v1/dehydrated_device/{device_id}/events
POST /login/get_token
""")

# Where a part of what a route takes is allowed, this is of that part.
BODY: Final = {"membership": "leave", "typing": False}
QUERY: Final = "?room_id=!nowhere:localhost"
PATH: Final = {
    "room_id": "!nowhere:localhost",
    "room_id_or_alias": "!nowhere:localhost",
    "room_alias": "#nothing:localhost",
    "event_id": "$nothing",
    "receipt_type": "m.read",
    "kind": "override",
    "field": "displayname",
}


class Endpoint(NamedTuple):
    """A handler by the specification's name, and all paths that lead to it."""

    name: str
    method: str
    templates: list[str]

    def paths(self, user_id: str) -> Iterator[str]:
        values = {**PATH, "user_id": user_id, "state_key": user_id}
        values["event_type"] = "m.room.redaction" if "/send/" in self.name else "m.room.member"
        for template in self.templates:
            yield re.sub(
                r"\{(\w+)\}", lambda found: quote(values.get(found[1], "x"), safe=""), template
            )


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A monolith that lets guests in and has every endpoint."""
    settings: dict[str, Any] = NO_RATE_LIMITS | {
        "userapi": {
            "registration": "open",
            "registration_shared_secret": SHARED_SECRET,
            "bcrypt_cost": 4,
            "guests_allowed": True,
            "login_tokens": True,
            "registration_rate_per_address": None,
            "request_rate_per_user": None,
            "report_rate_per_user": None,
            "login_token_rate_per_user": None,
        },
    }
    process = ServerProcess(tmp_path_factory.mktemp("guarded"), settings)
    process.start()
    yield process
    process.kill()


_numbers = itertools.count()


@pytest.fixture(name="server")
def fixture_server(guarded_server: ServerProcess, http: aiohttp.ClientSession) -> Homeserver:
    return Homeserver(
        http,
        lambda: guarded_server.url,
        shared_secret=SHARED_SECRET,
        name_suffix=f".{next(_numbers)}",
    )


@pytest.fixture(name="endpoints")
async def fixture_endpoints() -> AsyncIterator[list[Endpoint]]:
    """All endpoints that clients reach; those that end a session last."""
    async with server_routers() as routers:
        yield sorted(endpoints_of(routers), key=lambda one: (one.name in LOG_OUT, one.name))


def endpoints_of(routers: Mapping[str, Any]) -> Iterator[Endpoint]:
    routes: dict[tuple[str, int], list[Route]] = {}
    for router in routers.values():
        for route in router.routes:
            routes.setdefault((route.method, id(route.handler)), []).append(route)
    for (method, _), found in routes.items():
        templates = [route.template for route in found]
        ours = max(templates, key=lambda one: (bool(re.search(r"/v[13]/", one)), len(one)))
        name = re.sub(r"^/_matrix/client(/v[13]|/unstable/im.nheko.summary)?(?=/)", "", ours)
        yield Endpoint(f"{method} {name}", method, templates)


async def refusals(
    server: Homeserver, user: Client, endpoints: list[Endpoint]
) -> dict[str, tuple[int, str] | None]:
    """Return how the user is refused for being who they are, `None` where they are not."""
    found: dict[str, tuple[int, str] | None] = {}
    for endpoint in endpoints:
        answers = []
        for path in endpoint.paths(user.user_id):
            body = None if endpoint.method == "GET" else BODY
            status, answer = await server.once(
                endpoint.method, path + QUERY, token=user.token, body=body
            )
            told = (status, answer.get("errcode")) if isinstance(answer, dict) else (status, "")
            answers.append(told if told in REFUSALS else None)
        # By whatever version or former name of it somebody asks.
        assert len(set(answers)) == 1, (endpoint, answers)
        found[endpoint.name] = answers[0]
    return found


def expected(
    endpoints: list[Endpoint], allowed: set[str], refusal: tuple[int, str]
) -> dict[str, tuple[int, str] | None]:
    names = {one.name for one in endpoints}
    assert allowed <= names
    return {name: None if name in allowed else refusal for name in names}


async def administer(server: Homeserver, what: str, user: Client) -> None:
    admin = await server.register_with_secret("root", admin=True)
    path = f"/_matrix/client/v1/admin/{what}/{quote(user.user_id)}"
    field = {"lock": "locked", "suspend": "suspended"}[what]
    await server.call("PUT", path, token=admin.token, body={field: True})


async def register_guest(server: Homeserver) -> Client:
    path = "/_matrix/client/v3/register?kind=guest"
    return Client(server, await server.call("POST", path, body={}))


async def test_guests_may_what_the_specification_lists_and_nothing_else(
    server: Homeserver, endpoints: list[Endpoint]
) -> None:
    guest = await register_guest(server)

    found = await refusals(server, guest, endpoints)

    allowed = ASK_NO_TOKEN | LOG_OUT | GUESTS_MAY | GUESTS_MAY_BESIDES
    assert found == expected(endpoints, allowed, GUEST)


async def test_suspended_users_may_read_and_leave_and_do_nothing_that_others_see(
    server: Homeserver, endpoints: list[Endpoint]
) -> None:
    mallory = await server.register("mallory")
    await administer(server, "suspend", mallory)

    found = await refusals(server, mallory, endpoints)

    allowed = ASK_NO_TOKEN | LOG_OUT | THE_SUSPENDED_MAY
    assert found == expected(endpoints, allowed, SUSPENDED)


async def test_locked_users_may_log_out_and_nothing_else(
    server: Homeserver, endpoints: list[Endpoint]
) -> None:
    mallory = await server.register("mallory")
    await administer(server, "lock", mallory)

    found = await refusals(server, mallory, endpoints)

    assert found == expected(endpoints, ASK_NO_TOKEN | LOG_OUT, LOCKED)


async def test_users_in_good_standing_are_refused_nowhere_for_who_they_are(
    server: Homeserver, endpoints: list[Endpoint]
) -> None:
    alice = await server.register("alice")

    found = await refusals(server, alice, endpoints)

    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/rooms/!a:localhost/send/m.room.message/1", {"body": "hello"}),
        ("PUT", "/rooms/!a:localhost/state/m.room.name/", {"name": "Tea"}),
        ("PUT", "/rooms/!a:localhost/state/m.room.member/{user}", {"membership": "join"}),
        ("PUT", "/rooms/!a:localhost/state/m.room.member/@bob:localhost", {"membership": "leave"}),
        ("PUT", "/rooms/!a:localhost/typing/{user}", {"typing": True}),
    ],
)
async def test_suspended_users_are_refused_the_rest_of_what_they_may_in_part(
    server: Homeserver, method: str, path: str, body: dict[str, Any]
) -> None:
    mallory = await server.register("mallory")
    await administer(server, "suspend", mallory)

    assert await mallory.refusal(method, path.format(user=mallory.user_id), body) == SUSPENDED


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/profile/{user}/avatar_url", {"avatar_url": "mxc://localhost/a"}),
        ("GET", "/events", None),
    ],
)
async def test_guests_are_refused_the_rest_of_what_they_may_in_part(
    server: Homeserver, method: str, path: str, body: dict[str, Any] | None
) -> None:
    guest = await register_guest(server)

    assert await guest.refusal(method, path.format(user=guest.user_id), body) == GUEST
