"""What the server tells of itself, and third-party IDs, which it does not take."""

from typing import Any

import pytest

from components.userapi.settings import SupportContact, UserApiSettings
from logs.log import Log
from tests.component.userapi.userapi_server import V3, Deployment, User, UserApiServer

EMAIL: dict[str, Any] = {"client_secret": "secret", "email": "a@example.org", "send_attempt": 1}


@pytest.mark.parametrize(
    ("path", "status", "errcode"),
    [
        ("account/3pid", 403, "M_THREEPID_DENIED"),
        ("account/3pid/add", 403, "M_THREEPID_DENIED"),
        ("account/3pid/bind", 403, "M_THREEPID_DENIED"),
        ("account/3pid/email/requestToken", 400, "M_THREEPID_MEDIUM_NOT_SUPPORTED"),
        ("account/3pid/msisdn/requestToken", 400, "M_THREEPID_MEDIUM_NOT_SUPPORTED"),
        ("account/password/email/requestToken", 400, "M_THREEPID_NOT_FOUND"),
        ("account/password/msisdn/requestToken", 400, "M_THREEPID_NOT_FOUND"),
        ("register/email/requestToken", 403, "M_THREEPID_DENIED"),
        ("register/msisdn/requestToken", 403, "M_THREEPID_DENIED"),
    ],
)
async def test_third_party_ids_are_refused(
    alice: User, path: str, status: int, errcode: str
) -> None:
    answer = await alice.client.post(f"{V3}/{path}", EMAIL)

    assert (answer.status, answer.errcode) == (status, errcode)


@pytest.mark.parametrize("path", ["delete", "unbind"])
async def test_a_third_party_id_that_nobody_has_is_removed(alice: User, path: str) -> None:
    body = {"medium": "email", "address": "a@example.org"}

    answer = await alice.client.post(f"{V3}/account/3pid/{path}", body)
    malformed = await alice.client.post(f"{V3}/account/3pid/{path}", {"medium": "email"})

    assert (answer.status, answer.json) == (200, {"id_server_unbind_result": "no-support"})
    assert (malformed.status, malformed.errcode) == (400, "M_MISSING_PARAM")


async def test_the_server_tells_whom_to_turn_to(deployment: Deployment, log: Log) -> None:
    contact = SupportContact(matrix_id="@root:xylem.test")
    async with deployment.start(
        log, support_contacts=(contact,), support_page="https://xylem.test/help"
    ) as server:
        answer = await server.client.get("/.well-known/matrix/support")

        assert answer.json == {
            "contacts": [{"role": "m.role.admin", "matrix_id": "@root:xylem.test"}],
            "support_page": "https://xylem.test/help",
        }


def test_a_contact_that_nobody_can_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="support_contacts"):
        UserApiSettings(support_contacts=(SupportContact(),))


@pytest.mark.parametrize(
    ("path", "errcode"),
    [
        ("/.well-known/matrix/support", "M_NOT_FOUND"),
        ("/_matrix/client/v1/auth_metadata", "M_UNRECOGNIZED"),
        (f"{V3}/login/sso/redirect", "M_UNRECOGNIZED"),
    ],
)
async def test_what_the_server_has_not_is_not_there(
    server: UserApiServer, path: str, errcode: str
) -> None:
    answer = await server.client.get(path)

    assert (answer.status, answer.errcode) == (404, errcode)


async def test_capabilities_differ_by_who_asks(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, guests_allowed=True) as server:
        alice, root = await server.user("alice"), await server.admin()
        guest = User(server, (await server.client.post(f"{V3}/register?kind=guest", {})).json)

        of_alice, of_root, of_guest = [
            (await user.client.get(f"{V3}/capabilities")).json["capabilities"]
            for user in (alice, root, guest)
        ]

        assert of_alice["m.get_login_token"] == {"enabled": True}
        assert of_alice["m.3pid_changes"] == {"enabled": False}
        assert "m.account_moderation" not in of_alice
        assert of_root["m.account_moderation"] == {"suspend": True, "lock": True}
        assert of_guest["m.change_password"] == {"enabled": False}
        assert of_guest["m.get_login_token"] == {"enabled": False}


async def test_refreshes_are_limited_per_address(deployment: Deployment, log: Log) -> None:
    rate = UserApiSettings().login_token_rate_per_user
    async with deployment.start(log, request_rate_per_user=rate) as server:
        answers = [
            await server.client.post(f"{V3}/refresh", {"refresh_token": "x"}) for _ in range(6)
        ]

        assert [answer.status for answer in answers] == [401] * 5 + [429]


@pytest.mark.parametrize(
    ("registration", "words"),
    [("open", "Everybody can make an account"), ("closed", "The operator of this server makes")],
)
async def test_the_servers_address_in_a_browser_shows_what_is_there(
    deployment: Deployment, log: Log, registration: Any, words: str
) -> None:
    async with deployment.start(
        log, registration=registration, public_base_url="https://matrix.xylem.test/?<b>"
    ) as server:
        page = await server.client.get("/")

    text = page.body.decode()
    assert page.status == 200
    assert "<h1>It works</h1>" in text
    assert "<strong>xylem.test</strong>" in text
    assert "<code>https://matrix.xylem.test/?&lt;b&gt;</code>" in text
    assert words in text
