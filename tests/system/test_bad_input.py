"""Bad input is refused with the errcode of the specification and never does harm."""

import asyncio
import io
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yarl

from tests.spec.clients import checked
from tests.system import bad_requests
from tests.system.bad_requests import BadRequest
from tests.system.client import V3, Client, Homeserver, ids
from tests.system.server_process import SHARED_SECRET, ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Scene:
    """A user in a room, and the requests that are made of them."""

    def __init__(self, server: ServerProcess, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http
        self.homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
        self.alice: Client
        self.places: dict[str, str] = {}
        self._numbers = itertools.count()

    async def open(self) -> None:
        """Register the user and create the room."""
        (self.alice,) = await self.homeserver.register_all("alice")
        room_id = await self.alice.create_room(preset="public_chat")
        event_id = await self.alice.send(room_id, "Well-formed")
        self.places = {"room": room_id, "alice": self.alice.user_id, "event": event_id}

    def fill_in(self, text: str) -> str:
        """Put the scene's identifiers into a path or body."""
        places = self.places | {"number": str(next(self._numbers))}
        for name, value in places.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    async def request(
        self, method: str, path: str, body: Any, token: str | None
    ) -> tuple[int, Any, dict[str, str]]:
        """Send what is asked for, unchanged; returns status, parsed body and headers."""
        full = self.fill_in(path if path.startswith("/_") else V3 + path)
        data = body if isinstance(body, bytes) else self.fill_in(json.dumps(body)).encode()
        async with self.http.request(
            method,
            yarl.URL(self.server.url + full, encoded=True),
            data=None if body is None else io.BytesIO(data),
            headers={} if token is None else {"Authorization": token},
        ) as response:
            return response.status, json.loads(await response.read()), dict(response.headers)

    async def is_well(self) -> bool:
        """Tell whether the user can still work in the room."""
        room_id = self.places["room"]
        event_id = await self.alice.send(room_id, f"Message {next(self._numbers)}")
        page = await self.alice.messages(room_id, dir="b", limit="1")
        return ids(page["chunk"]) == [event_id] and "next_batch" in await self.alice.sync()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened_scene(busy_server: ServerProcess) -> AsyncIterator[Scene]:
    async with aiohttp.ClientSession(trace_configs=[checked()]) as http:
        scene = Scene(busy_server, http)
        await scene.open()
        yield scene


@pytest.fixture
def scene(opened_scene: Scene) -> Iterator[Scene]:
    """The scene; the server may not have logged any error when the test is over."""
    errors_before = len(opened_scene.server.errors())
    yield opened_scene
    assert not opened_scene.server.errors()[errors_before:]


async def assert_refused(scene: Scene, case: BadRequest) -> None:
    token = f"Bearer {scene.alice.token}"
    status, answer, headers = await scene.request(case.method, case.path, case.body, token)
    assert status in case.statuses, answer
    assert answer["errcode"] in case.errcodes.split(), answer
    assert answer["error"]
    assert headers["Content-Type"] == "application/json"
    assert headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("case", list(bad_requests.wrong_types()), ids=str)
async def test_a_value_of_the_wrong_type_is_refused(scene: Scene, case: BadRequest) -> None:
    await assert_refused(scene, case)


@pytest.mark.parametrize("case", list(bad_requests.broken_json()), ids=str)
async def test_broken_json_is_refused(scene: Scene, case: BadRequest) -> None:
    await assert_refused(scene, case)


@pytest.mark.parametrize("case", bad_requests.LIMITS, ids=str)
async def test_what_is_too_large_is_refused(scene: Scene, case: BadRequest) -> None:
    await assert_refused(scene, case)
    assert await scene.is_well()


@pytest.mark.parametrize("case", bad_requests.STRANGE_VALUES, ids=str)
async def test_a_value_without_meaning_is_refused(scene: Scene, case: BadRequest) -> None:
    await assert_refused(scene, case)
    assert await scene.is_well()


@pytest.mark.parametrize("case", bad_requests.QUERIES, ids=str)
async def test_a_bad_query_is_refused(scene: Scene, case: BadRequest) -> None:
    await assert_refused(scene, case)


@pytest.mark.parametrize("case", list(bad_requests.bad_identifiers()), ids=str)
async def test_a_bad_identifier_is_refused(scene: Scene, case: BadRequest) -> None:
    await assert_refused(scene, case)


@pytest.mark.parametrize("case", bad_requests.UNKNOWN, ids=str)
async def test_an_unknown_endpoint_or_method_is_refused(scene: Scene, case: BadRequest) -> None:
    await assert_refused(scene, case)


@pytest.mark.parametrize(("method", "path"), bad_requests.NEED_TOKEN)
async def test_an_endpoint_needs_a_known_token(scene: Scene, method: str, path: str) -> None:
    body: Any = None if method == "GET" else {}
    for token, errcode in (
        (None, "M_MISSING_TOKEN"),
        ("", "M_MISSING_TOKEN"),
        ("Bearer", "M_MISSING_TOKEN"),
        ("Basic YWxpY2U6eA==", "M_MISSING_TOKEN"),
        ("Bearer nonsense", "M_UNKNOWN_TOKEN"),
        (f"Bearer {scene.alice.token}x", "M_UNKNOWN_TOKEN"),
        ("Bearer " + "x" * 5000, "M_UNKNOWN_TOKEN"),
        ("Bearer \xff\xfe", "M_UNKNOWN_TOKEN"),
    ):
        status, answer, _ = await scene.request(method, path, body, token)
        assert (status, answer["errcode"]) == (401, errcode), token


@pytest.mark.parametrize(("method", "path", "body"), bad_requests.WITH_NUL)
async def test_a_nul_does_no_harm(scene: Scene, method: str, path: str, body: Any) -> None:
    status, answer, _ = await scene.request(method, path, body, f"Bearer {scene.alice.token}")

    assert status in {200, 400}, answer
    assert status == 200 or answer["errcode"] in ["M_BAD_JSON", "M_INVALID_PARAM", "M_NOT_JSON"]
    await scene.alice.join(scene.places["room"])
    assert await scene.is_well()


async def test_an_event_just_under_the_limit_is_taken(scene: Scene) -> None:
    status, answer, _ = await scene.request(
        "PUT", bad_requests.SEND, {"body": "x" * 64_000}, f"Bearer {scene.alice.token}"
    )

    assert status == 200, answer
    sent = await scene.alice.event(scene.places["room"], answer["event_id"])
    assert len(sent["content"]["body"]) == 64_000


async def raw_exchange(scene: Scene, sent: bytes) -> bytes:
    """Write bytes to the server as they are, say that there is no more, and read its answer."""
    address = yarl.URL(scene.server.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(sent)
        writer.write_eof()
        return await reader.read()
    except OSError:
        return b""  # cut off, which refuses as well
    finally:
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"BREW /_matrix/client/versions HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /_matrix/client/versions HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /_matrix/client/versions HTTP/1.1\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"GET /_matrix/client/versions HTTP/1.1\r\n" + b"X: x\r\n" * 100_000 + b"\r\n",
        b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        b"POST /_matrix/client/v3/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:60]),
)
async def test_what_is_not_http_does_no_harm(scene: Scene, sent: bytes) -> None:
    answer = await raw_exchange(scene, sent)

    final = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert not final or final.startswith(b"HTTP/1.1 4")
    assert await scene.is_well()


@pytest.mark.parametrize("path", ["/sync", "/createRoom", "/no/such/endpoint", "/rooms/%ff/state"])
async def test_a_preflight_lets_web_clients_in(scene: Scene, path: str) -> None:
    async with scene.http.options(
        yarl.URL(scene.server.url + V3 + path, encoded=True),
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"},
    ) as response:
        headers = response.headers
        assert response.status in {200, 204}
        assert headers["Access-Control-Allow-Origin"] == "*"
        methods = set(headers["Access-Control-Allow-Methods"].split(", "))
        assert {"GET", "POST", "PUT", "DELETE", "OPTIONS"} <= methods
        allowed = set(headers["Access-Control-Allow-Headers"].split(", "))
        assert {"X-Requested-With", "Content-Type", "Authorization"} <= allowed


async def test_answers_can_be_read_by_web_clients(scene: Scene) -> None:
    async with scene.http.get(f"{scene.server.url}/_matrix/client/versions") as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Content-Type"] == "application/json"
