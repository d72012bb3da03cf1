"""What the check of answers lets pass, and what fails a test."""

import orjson
import pytest

from tests.spec.answers import SpecViolation, check_answer
from tests.spec.document import client_server_api

SYNC = "/_matrix/client/v3/sync"
HEADERS = {
    "Content-Type": "application/json",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "Authorization",
}


def check(target: str, status: int, body: object, method: str = "GET", **headers: str) -> None:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    check_answer(method, target, status, HEADERS | given, orjson.dumps(body))


def error(errcode: str) -> dict[str, str]:
    return {"errcode": errcode, "error": "Off with their heads!"}


def test_every_schema_of_the_specification_can_be_checked() -> None:
    api = client_server_api()

    for operation in api.operations:
        for status, response in operation.facts["responses"].items():
            for kind in response.get("content", ()):
                api.validator(operation, status, kind)

    assert len(api.operations) > 160


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        (SYNC, 200, {"next_batch": "s1"}),
        (SYNC + "?timeout=0", 200, {"next_batch": "s1", "rooms": {"join": {"!a:b": {}}}}),
        ("/_matrix/client/r0/sync", 200, {"next_batch": "s1"}),
        ("/_matrix/client/v3/rooms/!a%2F:b/state/m.room.name", 200, {"name": "Tea"}),
        ("/_matrix/client/v3/rooms/!a:b/state/m.room.name/", 200, {"name": "Tea"}),
        ("/_matrix/client/v3/pushrules/global/override/a%2Fb/enabled", 200, {"enabled": True}),
        (SYNC, 401, error("M_UNKNOWN_TOKEN")),
        (SYNC, 400, error("M_ANY_OF_ALL")),
        (SYNC, 503, error("M_UNKNOWN")),
        ("/_matrix/client/v3/no/such/endpoint", 404, error("M_UNRECOGNIZED")),
        ("/_matrix/client/v3/account/password", 401, {"session": "s", "flows": [{"stages": []}]}),
        ("/health/ready", 500, "whatever"),
    ],
)
def test_what_the_specification_has_may_be_answered(target: str, status: int, body: object) -> None:
    check(target, status, body, "POST" if "password" in target else "GET")


@pytest.mark.parametrize(
    ("target", "status", "body", "why"),
    [
        (SYNC, 200, {}, "next_batch"),
        (SYNC, 200, {"next_batch": 1}, "/next_batch: 1 is not of type"),
        (SYNC, 200, {"next_batch": "a", "rooms": {"join": []}}, "/rooms/join: "),
        (SYNC, 201, {"next_batch": "s1"}, "has the statuses"),
        (SYNC, 500, error("M_UNKNOWN"), "has the statuses"),
        (SYNC, 401, error("M_FORBIDDEN"), "has the statuses"),
        (SYNC, 404, {"errcode": "M_NOT_FOUND"}, "has the statuses"),
        (SYNC, 429, "Too many", "has the statuses"),
        ("/_matrix/client/v3/no/such/endpoint", 200, {}, "no such endpoint"),
        ("/_matrix/client/v3/no/such/endpoint", 404, {}, "no such endpoint"),
    ],
)
def test_what_it_has_not_fails_the_test(target: str, status: int, body: object, why: str) -> None:
    with pytest.raises(SpecViolation, match=why):
        check(target, status, body)


def test_the_kind_of_content_is_checked() -> None:
    with pytest.raises(SpecViolation, match="content type"):
        check(SYNC, 200, {"next_batch": "s1"}, content_type="text/plain")


@pytest.mark.parametrize("missing", [name for name in HEADERS if name.startswith("Access")])
def test_web_clients_must_be_let_in(missing: str) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != missing}

    for method in ("GET", "OPTIONS"):
        with pytest.raises(SpecViolation, match="web clients"):
            check_answer(method, SYNC, 200, headers, b'{"next_batch": "s1"}')


def test_head_has_no_body() -> None:
    check_answer("HEAD", SYNC, 200, HEADERS, b"")

    with pytest.raises(SpecViolation, match="body"):
        check("/_matrix/client/v3/sync", 200, {"next_batch": "s1"}, "HEAD")
