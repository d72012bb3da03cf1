"""Paths find their handlers, and nothing else does."""

import pytest

from base.http import Request, Response, RouteConflict, Router, application, json_response
from base.http.testing import Client


async def echo(request: Request) -> Response:
    return json_response({"template": request.template, "path": request.path})


async def other(request: Request) -> Response:
    return json_response({"other": request.path})


def client(*routers: Router) -> Client:
    return Client(application(routers))


async def test_parameters_are_percent_decoded_segment_by_segment() -> None:
    router = Router()
    router.put("/_matrix/client/v3/rooms/{room_id}/send/{event_type}/{transaction_id}", echo)

    answer = await client(router).put(
        "/_matrix/client/v3/rooms/%21a%2Fb%3Ac.org/send/m.room.message/%C3%A9"
    )

    assert answer.status == 200
    assert answer.json["path"] == {
        "room_id": "!a/b:c.org",
        "event_type": "m.room.message",
        "transaction_id": "é",
    }


async def test_a_plus_sign_in_a_path_stays_a_plus_sign() -> None:
    router = Router()
    router.get("/devices/{device_id}", echo)

    assert (await client(router).get("/devices/a+b%2B")).json["path"] == {"device_id": "a+b+"}


@pytest.mark.parametrize("path", ["/rooms/%ff", "/rooms/%C3%28", "/rooms/a%80b", "/%ff/x"])
async def test_a_path_that_is_not_utf8_is_a_bad_request(path: str) -> None:
    router = Router()
    router.get("/rooms/{room_id}", echo)

    answer = await client(router).get(path)

    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize("path", ["/", "/rooms", "/rooms/", "/rooms/a/b", "/rooms//", "//rooms/a"])
async def test_an_unknown_path_is_unrecognized(path: str) -> None:
    router = Router()
    router.get("/rooms/{room_id}", echo)

    answer = await client(router).get(path)

    assert (answer.status, answer.errcode) == (404, "M_UNRECOGNIZED")


async def test_an_encoded_literal_segment_is_the_segment() -> None:
    router = Router()
    router.get("/_matrix/versions", echo)

    assert (await client(router).get("/%5Fmatrix/versions")).status == 200


async def test_a_known_path_refuses_another_method() -> None:
    router = Router()
    router.get("/rooms/{room_id}", echo)

    answer = await client(router).post("/rooms/a")

    assert (answer.status, answer.errcode) == (405, "M_UNRECOGNIZED")


async def test_head_is_answered_like_get() -> None:
    router = Router()
    router.get("/rooms/{room_id}", echo)

    answer = await client(router).request("HEAD", "/rooms/a")

    assert answer.status == 200


async def test_a_literal_segment_goes_before_a_parameter() -> None:
    router = Router()
    router.get("/keys/{name}", echo)
    router.get("/keys/changes", other)

    assert (await client(router).get("/keys/changes")).json == {"other": {}}
    assert (await client(router).get("/keys/else")).json["path"] == {"name": "else"}


async def test_a_literal_that_leads_nowhere_gives_way_to_a_parameter() -> None:
    router = Router()
    router.get("/a/{x}/c/{y}", echo)
    router.get("/a/b/d", other)
    router.post("/a/b/c/{z}", other)

    assert (await client(router).get("/a/b/c/1")).json["path"] == {"x": "b", "y": "1"}
    assert (await client(router).post("/a/b/c/1")).json == {"other": {"z": "1"}}
    assert (await client(router).get("/a/b/d")).json == {"other": {}}
    assert (await client(router).put("/a/b/c/1")).status == 405


@pytest.mark.parametrize(
    ("path", "state_key"),
    [("/state/m.room.name", ""), ("/state/m.room.name/", ""), ("/state/m.room.name/k", "k")],
)
async def test_an_optional_last_parameter_may_be_empty_or_missing(
    path: str, state_key: str
) -> None:
    router = Router()
    router.get("/state/{event_type}/{state_key?}", echo)

    answer = await client(router).get(path)

    assert answer.json["path"] == {"event_type": "m.room.name", "state_key": state_key}


@pytest.mark.parametrize("version", ["r0", "v1", "v3"])
async def test_other_versions_answer_alike(version: str) -> None:
    router = Router()
    router.get("/_matrix/client/v3/sync", echo, versions=("r0", "v1"))

    assert (await client(router).get(f"/_matrix/client/{version}/sync")).status == 200
    assert (await client(router).get("/_matrix/client/v2/sync")).status == 404


async def test_one_handler_answers_several_templates() -> None:
    router = Router()
    router.get(["/a/{x}", "/b/{y}"], echo)

    assert (await client(router).get("/a/1")).json["path"] == {"x": "1"}
    assert (await client(router).get("/b/1")).json["path"] == {"y": "1"}


async def test_routers_of_several_components_make_one_application() -> None:
    rooms, media = Router(), Router()
    rooms.get("/_matrix/client/v3/rooms/{room_id}/state", echo)
    media.get("/_matrix/client/v3/rooms/{id}/avatar", other)

    both = client(rooms, media)

    assert (await both.get("/_matrix/client/v3/rooms/a/state")).json["path"] == {"room_id": "a"}
    assert (await both.get("/_matrix/client/v3/rooms/a/avatar")).json == {"other": {"id": "a"}}


def test_two_handlers_of_one_path_are_a_mistake() -> None:
    first, second = Router(), Router()
    first.get("/rooms/{room_id}", echo)
    second.get("/rooms/{id}", other)

    with pytest.raises(RouteConflict):
        application([first, second])
