"""Stages and logins in a web browser, and sessions that remember what was asked for."""

import base64
import hashlib
import re
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from base.database import open_database
from base.http.testing import Answer
from components.userapi.assembly import SCHEMA
from components.userapi.settings import RegistrationToken
from logs.log import Log
from tests.component.userapi.userapi_server import (
    PASSWORD,
    V3,
    Deployment,
    User,
    UserApiServer,
)

REQUEST = {"username": "alice", "password": PASSWORD, "device_id": "PHONE"}


def page(stage: str) -> str:
    return f"{V3}/auth/{stage}/fallback/web"


async def send_form(server: UserApiServer, stage: str, **fields: str) -> Answer:
    body = "&".join(f"{name}={quote(value)}" for name, value in fields.items())
    return await server.client.post(page(stage), body=body.encode())


async def open_session(server: UserApiServer, **fields: str) -> str:
    asked = await server.client.post(f"{V3}/register", {**REQUEST, **fields})
    session: str = asked.json["session"]
    return session


def assert_is_closed_page(answer: Answer) -> None:
    """Assert that a page runs its own script only and is framed by nobody."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    for script in re.findall(rb"<script>(.*?)</script>", answer.body, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in policy


async def test_a_stage_is_completed_in_a_browser(server: UserApiServer) -> None:
    session = await open_session(server)
    shown = await server.client.get(f"{page('m.login.dummy')}?session={session}")
    assert shown.status == 200
    assert_is_closed_page(shown)
    assert b'<form method="post">' in shown.body

    done = await send_form(server, "m.login.dummy", session=session)
    answer = await server.client.post(f"{V3}/register", {"auth": {"session": session}})

    assert done.status == 200
    assert_is_closed_page(done)
    assert b"window.onAuthDone()" in done.body
    assert answer.status == 200
    assert (answer.json["user_id"], answer.json["device_id"]) == ("@alice:xylem.test", "PHONE")
    assert (await server.login("alice")).status == 200


async def test_a_registration_token_is_given_in_a_browser(deployment: Deployment, log: Log) -> None:
    stage = "m.login.registration_token"
    async with deployment.start(
        log, registration="token", registration_tokens=(RegistrationToken("t0ken", 1),)
    ) as server:
        session = await open_session(server)
        shown = await server.client.get(f"{page(stage)}?session={session}")
        assert b'name="token"' in shown.body

        wrong = await send_form(server, stage, session=session, token="a guess")
        assert wrong.status == 401
        assert b"not valid" in wrong.body
        early = await server.client.post(f"{V3}/register", {"auth": {"session": session}})
        assert early.status == 401
        assert early.json["completed"] == []
        assert (await send_form(server, stage, session=session, token="t0ken")).status == 200
        again = await send_form(server, stage, session=session, token="t0ken")

        answer = await server.client.post(f"{V3}/register", {"auth": {"session": session}})
        assert (again.status, answer.status) == (200, 200)
        used = await open_session(server, username="bob")
        assert (await send_form(server, stage, session=used, token="t0ken")).status == 401


@pytest.mark.parametrize(
    ("stage", "query", "status"),
    [
        ("m.login.sso", "?session=x", 404),
        ("m.login.registration_token", "?session=x", 404),
        ("m.login.dummy", "", 400),
    ],
)
async def test_a_page_that_is_not_there_is_told_as_a_page(
    server: UserApiServer, stage: str, query: str, status: int
) -> None:
    answer = await server.client.get(page(stage) + query)

    assert answer.status == status
    assert_is_closed_page(answer)


@pytest.mark.parametrize(
    ("stage", "body", "status"),
    [
        ("m.login.dummy", b"session=unknown", 404),
        ("m.login.dummy", b"session=%00", 404),
        ("m.login.dummy", b"", 400),
        ("m.login.dummy", b"session=\xff", 400),
        ("m.login.dummy", b"session=%ff", 400),
        ("m.login.dummy", b"a=b&" * 20, 400),
        ("m.login.dummy", b"x" * 9000, 413),
        ("m.login.sso", b"session=x", 404),
    ],
)
async def test_a_malformed_form_is_refused(
    server: UserApiServer, stage: str, body: bytes, status: int
) -> None:
    answer = await server.client.post(page(stage), body=body)

    assert answer.status == status


async def test_the_session_is_shown_as_text(server: UserApiServer) -> None:
    session = quote('"><script>alert(1)</script>')

    answer = await server.client.get(f"{page('m.login.dummy')}?session={session}")

    assert b"<script>" not in answer.body
    assert b"&quot;&gt;&lt;script&gt;" in answer.body


async def test_the_session_of_another_operation_is_not_completed(
    server: UserApiServer, alice: User
) -> None:
    asked = await alice.client.post(f"{V3}/account/deactivate", {})

    answer = await send_form(server, "m.login.dummy", session=asked.json["session"])

    assert answer.status == 401
    assert b"something else" in answer.body


async def test_a_session_remembers_the_request_that_opened_it(
    server: UserApiServer, alice: User
) -> None:
    body = {"new_password": "battery staple", "logout_devices": False}
    other = (await server.login("alice")).json["access_token"]
    asked = await alice.client.post(f"{V3}/account/password", body)

    answer = await alice.client.post(
        f"{V3}/account/password", {"auth": alice.proof(session=asked.json["session"])}
    )

    assert answer.status == 200
    assert (await server.login("alice", "battery staple")).status == 200
    assert (await server.whoami(other)).status == 200


async def test_the_database_tells_nobody_what_a_session_remembers(
    server: UserApiServer, database_url: str
) -> None:
    session = await open_session(server)

    database = await open_database(database_url, SCHEMA)
    table = SCHEMA.metadata.tables["interactive_sessions"]
    (row,) = await database.read(lambda connection: connection.execute(sa.select(table)).all())
    await database.close()

    assert row.sealed_parameters is not None
    for value in row:
        text = value if isinstance(value, bytes) else str(value).encode()
        assert PASSWORD.encode() not in text
        assert session.encode() not in text


async def test_the_login_page_logs_in_by_itself(server: UserApiServer) -> None:
    answer = await server.client.get("/_matrix/static/client/login/?device_id=PHONE")

    assert answer.status == 200
    assert_is_closed_page(answer)
    assert b"window.onLogin(login)" in answer.body
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
