"""Access and refresh tokens: how they end, are replaced and are known to replicas."""

import asyncio
from typing import Any

import pytest

from base.database import open_database
from base.http.testing import Answer
from components.userapi.assembly import SCHEMA
from components.userapi.expiry import Expiry
from logs.log import Log
from logs.records.client_data import TokensRevoked
from logs.topics import OUTPUT_CLIENT_DATA
from matrix.errors import UnknownToken
from tests.component.userapi.userapi_server import V3, Deployment, User, UserApiServer

YEAR_MS = 365 * 24 * 3_600_000


async def refresh(server: UserApiServer, token: str | None) -> Answer:
    """Refresh an access token."""
    return await server.client.post(f"{V3}/refresh", {"refresh_token": token})


async def test_a_logout_ends_the_token_and_the_device(server: UserApiServer, alice: User) -> None:
    other = (await server.login("alice")).json

    answer = await alice.client.post(f"{V3}/logout")

    assert (answer.status, answer.json) == (200, {})
    ended = await server.whoami(alice.access_token)
    assert (ended.status, ended.errcode) == (401, "M_UNKNOWN_TOKEN")
    assert (await server.whoami(other["access_token"])).status == 200
    devices = await server.client.as_user(other["access_token"]).get(f"{V3}/devices")
    assert [device["device_id"] for device in devices.json["devices"]] == [other["device_id"]]


async def test_a_logout_everywhere_ends_all_devices(
    server: UserApiServer, alice: User, bob: User
) -> None:
    other = (await server.login("alice")).json["access_token"]

    assert (await alice.client.post(f"{V3}/logout/all")).status == 200

    assert (await server.whoami(alice.access_token)).status == 401
    assert (await server.whoami(other)).status == 401
    assert (await server.whoami(bob.access_token)).status == 200


async def test_a_token_known_from_memory_ends_with_the_logout(
    server: UserApiServer, alice: User, bob: User
) -> None:
    async with server.running():
        for user in (alice, bob):
            assert (await server.whoami(user.access_token)).status == 200

        await alice.client.post(f"{V3}/logout")

        assert (await server.whoami(alice.access_token)).status == 401
        assert (await server.whoami(bob.access_token)).status == 200


async def test_a_token_revoked_at_one_replica_ends_at_the_others(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log) as first, deployment.start(log) as second:
        alice = await first.user("alice")
        async with first.running(), second.running():
            assert (await second.whoami(alice.access_token)).status == 200

            await alice.client.post(f"{V3}/logout")

            async with asyncio.timeout(30):
                while (await second.whoami(alice.access_token)).status == 200:  # noqa: ASYNC110 (the answer itself is what is waited for)
                    await asyncio.sleep(0.001)


async def test_readers_hear_which_tokens_end(server: UserApiServer, alice: User) -> None:
    other = (await server.login("alice")).json["access_token"]
    await alice.client.post(f"{V3}/logout")
    await server.client.as_user(other).post(f"{V3}/logout/all")
    await server.api._announcer.send_all()

    records = await server.all_announced()

    assert records[-2:] == [
        TokensRevoked(alice.user_id, alice.device_id, removed_up_to=1),
        TokensRevoked(alice.user_id, None, removed_up_to=2),
    ]


async def test_an_expired_token_asks_for_a_soft_logout(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, access_token_lifetime_s=60) as server, server.running():
        alice = await server.user("alice")
        login = await server.login("alice")
        assert login.json["expires_in_ms"] == 60_000
        server.clock.advance_ms(59_999)
        assert (await server.whoami(alice.access_token)).status == 200

        server.clock.advance_ms(1)

        expired = await server.whoami(alice.access_token)
        assert (expired.status, expired.errcode) == (401, "M_UNKNOWN_TOKEN")
        assert expired.json["soft_logout"] is True


@pytest.mark.parametrize("end", ["logout", "logout/all"])
async def test_an_expired_token_logs_its_device_out(
    deployment: Deployment, log: Log, end: str
) -> None:
    async with deployment.start(log, access_token_lifetime_s=60) as server:
        alice = await server.user("alice")
        deployment.clock.advance_ms(60_000)
        assert (await server.whoami(alice.access_token)).status == 401

        first = await alice.client.post(f"{V3}/{end}")
        again = await alice.client.post(f"{V3}/{end}")

        assert (first.status, again.status) == (200, 401)
        login = (await server.login("alice")).json
        devices = await server.client.as_user(login["access_token"]).get(f"{V3}/devices")
        assert [one["device_id"] for one in devices.json["devices"]] == [login["device_id"]]


async def test_a_refresh_gives_new_tokens_for_the_same_device(server: UserApiServer) -> None:
    alice = await server.user("alice", refresh_token=True)

    answer = await refresh(server, alice.refresh_token)

    assert answer.status == 200
    assert answer.json["expires_in_ms"] == 300_000
    assert answer.json["refresh_token"] != alice.refresh_token
    whoami = await server.whoami(answer.json["access_token"])
    assert whoami.json["device_id"] == alice.device_id


async def test_the_old_tokens_end_when_the_new_access_token_is_used(server: UserApiServer) -> None:
    async with server.running():
        alice = await server.user("alice", refresh_token=True)
        answer = await refresh(server, alice.refresh_token)
        assert (await server.whoami(alice.access_token)).status == 200

        assert (await server.whoami(answer.json["access_token"])).status == 200

        assert (await server.whoami(alice.access_token)).status == 401
        reused = await refresh(server, alice.refresh_token)
        assert (reused.status, reused.errcode) == (401, "M_UNKNOWN_TOKEN")
        assert (await server.whoami(answer.json["access_token"])).status == 200


async def test_the_old_tokens_end_when_the_new_refresh_token_is_used(
    server: UserApiServer,
) -> None:
    alice = await server.user("alice", refresh_token=True)
    first = await refresh(server, alice.refresh_token)

    second = await refresh(server, first.json["refresh_token"])

    assert second.status == 200
    assert (await refresh(server, alice.refresh_token)).status == 401
    assert (await server.whoami(alice.access_token)).status == 401
    assert (await server.whoami(second.json["access_token"])).status == 200


async def test_a_refresh_whose_answer_was_lost_is_repeated(server: UserApiServer) -> None:
    alice = await server.user("alice", refresh_token=True)
    lost = await refresh(server, alice.refresh_token)

    repeated = await refresh(server, alice.refresh_token)

    assert repeated.status == 200
    assert (await server.whoami(lost.json["access_token"])).status == 401
    assert (await server.whoami(repeated.json["access_token"])).status == 200
    assert (await refresh(server, repeated.json["refresh_token"])).status == 200


async def test_a_new_token_that_is_used_twice_at_once_stays_valid(server: UserApiServer) -> None:
    alice = await server.user("alice", refresh_token=True)
    token = (await refresh(server, alice.refresh_token)).json["access_token"]

    answers = await asyncio.gather(*(server.whoami(token) for _ in range(5)))

    assert [answer.status for answer in answers] == [200] * 5
    assert (await server.whoami(token)).status == 200


async def test_a_refresh_token_expires(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, refresh_token_lifetime_s=3600) as server:
        alice = await server.user("alice", refresh_token=True)
        server.clock.advance_ms(3_600_000)

        answer = await refresh(server, alice.refresh_token)

        assert (answer.status, answer.errcode) == (401, "M_UNKNOWN_TOKEN")
        assert answer.json["soft_logout"] is True


async def test_it_is_known_for_a_year_that_a_token_has_expired(
    deployment: Deployment, log: Log, database_url: str
) -> None:
    lifetimes: dict[str, Any] = {
        "refreshable_access_token_lifetime_s": 60,
        "refresh_token_lifetime_s": 60,
    }
    clock, told = deployment.clock, []
    async with deployment.start(log, **lifetimes) as server:
        alice = await server.user("alice", refresh_token=True)
    clock.advance_ms(60_000 + YEAR_MS - 1)

    for _ in range(2):
        database = await open_database(database_url, SCHEMA, durable=True)
        await Expiry(database, clock).delete_expired()
        await database.close()
        async with deployment.start(log, **lifetimes) as server:
            access = await server.whoami(alice.access_token)
            refreshed = await refresh(server, alice.refresh_token)
        told.append([(one.status, one.json["soft_logout"]) for one in (access, refreshed)])
        clock.advance_ms(1)

    assert told == [[(401, True)] * 2, [(401, False)] * 2]


async def test_a_refresh_token_ends_with_its_device(server: UserApiServer) -> None:
    alice = await server.user("alice", refresh_token=True)
    await alice.client.post(f"{V3}/logout")

    answer = await refresh(server, alice.refresh_token)

    assert answer.status == 401
    assert answer.json["soft_logout"] is False


@pytest.mark.parametrize(
    ("body", "errcode"), [({}, "M_MISSING_PARAM"), ({"refresh_token": 1}, "M_BAD_JSON")]
)
async def test_a_malformed_refresh_is_refused(
    server: UserApiServer, body: dict[str, Any], errcode: str
) -> None:
    answer = await server.client.post(f"{V3}/refresh", body)

    assert (answer.status, answer.errcode) == (400, errcode)


async def test_tokens_outlive_a_restart(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log) as server:
        alice = await server.user("alice", refresh_token=True)

    async with deployment.start(log) as server:
        assert (await server.whoami(alice.access_token)).status == 200
        assert (await refresh(server, alice.refresh_token)).status == 200


async def test_memory_keeps_no_more_tokens_than_it_may(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, token_cache_size=2) as server, server.running():
        users = [await server.user(name) for name in ("alice", "bob", "carol")]

        for _ in range(2):
            for user in users:
                assert (await server.whoami(user.access_token)).status == 200

        cache = server.api._tokens.cache
        assert len(cache._known) == 2
        assert set(cache._of_user) == {user.user_id for user in users[1:]}
        await users[0].client.post(f"{V3}/logout/all")
        with pytest.raises(UnknownToken):
            await server.api.authentication.query_token(access_token=users[0].access_token)


async def test_what_was_announced_is_not_announced_again_after_a_restart(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log) as server:
        alice = await server.user("alice")
        async with server.running():
            await server.announced(3)

    async with deployment.start(log) as server, server.running():
        await server.client.as_user(alice.access_token).post(f"{V3}/logout")
        records = await server.announced(4)

    assert records[3] == TokensRevoked(alice.user_id, alice.device_id, removed_up_to=1)


async def test_what_a_crash_left_is_announced_after_the_restart(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log) as server:
        alice = await server.user("alice")

    async with deployment.start(log) as server, server.running():
        records = await server.announced(3)

    assert {record.user_id for record in records} == {alice.user_id}


async def test_two_logins_on_one_new_device_leave_one_valid_token(server: UserApiServer) -> None:
    await server.user("alice")

    answers = await asyncio.gather(*(server.login("alice", device_id="NEW") for _ in range(4)))

    assert [answer.status for answer in answers] == [200] * 4
    checks = [await server.whoami(answer.json["access_token"]) for answer in answers]
    assert sorted(check.status for check in checks) == [200, 401, 401, 401]


async def test_a_refresh_during_the_logout_leaves_no_valid_token(server: UserApiServer) -> None:
    alice = await server.user("alice", refresh_token=True)

    _, *answers = await asyncio.gather(
        alice.client.post(f"{V3}/logout"),
        *(refresh(server, alice.refresh_token) for _ in range(4)),
    )

    for answer in answers:
        if answer.status == 200:
            assert (await server.whoami(answer.json["access_token"])).status == 401
            assert (await refresh(server, answer.json["refresh_token"])).status == 401
    assert (await refresh(server, alice.refresh_token)).status == 401


async def test_what_two_replicas_announce_has_every_number_in_order(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log) as first, deployment.start(log) as second:
        alice = await first.user("alice")
        same = second.client.as_user(alice.access_token)
        async with first.running(), second.running():
            await asyncio.gather(
                *(
                    client.put(f"{V3}/user/{alice.user_id}/account_data/a{number}", {})
                    for number in range(10)
                    for client in (alice.client, same)
                )
            )
    numbers: list[int] = []
    tail = await log.tail(OUTPUT_CLIENT_DATA.name, {0: 0})
    while 22 not in numbers:
        for record in await tail.read():
            assert record.origin is not None
            # A reader drops what it has seen.
            if not numbers or record.origin.sequence > numbers[-1]:
                numbers.append(record.origin.sequence)
    await tail.close()

    assert numbers == list(range(23))
