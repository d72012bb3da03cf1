"""Reports of users, and what administrators see of all reports."""

from urllib.parse import quote

import pytest

from base.limits import Rate
from internalapi.userapi import NewReport
from logs.log import Log
from matrix.errors import LimitExceeded, TooLarge
from matrix.identifiers import EventID, RoomID, UserID
from tests.component.userapi.userapi_server import V3, Deployment, User, UserApiServer

ADMIN = "/_synapse/admin/v1"


def event_report(reporter: str, number: int) -> NewReport:
    """Return a report of mallory's event."""
    return NewReport(
        "event",
        UserID(reporter),
        f"reason {number}",
        room_id=RoomID("!room:xylem.test"),
        event_id=EventID(f"$event{number}"),
        sender=UserID("@mallory:elsewhere.test"),
        event_json=b'{"type":"m.room.message"}',
        room_name="Cheese",
        canonical_alias="#cheese:xylem.test",
    )


async def test_a_user_is_reported_whether_the_server_knows_them_or_not(
    server: UserApiServer, alice: User, bob: User
) -> None:
    root = await server.admin()
    for reported in (bob.user_id, "@nobody:xylem.test", "@mallory:elsewhere.test"):
        answer = await alice.client.post(f"{V3}/users/{quote(reported)}/report", {"reason": "rude"})
        assert (answer.status, answer.json) == (200, {})

    shown = (await root.client.get(f"{ADMIN}/user_reports")).json

    assert shown["total"] == 3
    assert shown["user_reports"][2] == {
        "id": shown["user_reports"][2]["id"],
        "received_ts": server.clock.now_ms(),
        "user_id": alice.user_id,
        "target_user_id": bob.user_id,
        "reason": "rude",
    }


async def test_a_report_of_a_user_needs_a_reason_and_a_user_id(
    server: UserApiServer, alice: User
) -> None:
    path = f"{V3}/users/{quote(alice.user_id)}/report"

    assert (await alice.client.post(path, {})).errcode == "M_MISSING_PARAM"
    assert (await alice.client.post(path, {"reason": 1})).errcode == "M_BAD_JSON"
    assert (await alice.client.post(path, {"reason": ""})).status == 200
    other = await alice.client.post(f"{V3}/users/nobody/report", {"reason": ""})
    assert (other.status, other.errcode) == (400, "M_INVALID_PARAM")
    assert (await server.client.post(path, {"reason": ""})).errcode == "M_MISSING_TOKEN"


async def test_administrators_page_through_reports_of_events(
    server: UserApiServer, alice: User, bob: User
) -> None:
    root = await server.admin()
    for number in range(3):
        report = event_report(bob.user_id if number == 1 else alice.user_id, number)
        await server.api.reports.perform_add_report(report=report)

    first = (await root.client.get(f"{ADMIN}/event_reports?limit=2")).json
    rest = (await root.client.get(f"{ADMIN}/event_reports?from={first['next_token']}")).json
    oldest = (await root.client.get(f"{ADMIN}/event_reports?dir=f&limit=1")).json
    of_bob = (await root.client.get(f"{ADMIN}/event_reports?user_id={bob.user_id}")).json
    elsewhere = (await root.client.get(f"{ADMIN}/event_reports?room_id=!other:xylem.test")).json

    assert [one["event_id"] for one in first["event_reports"]] == ["$event2", "$event1"]
    assert [one["event_id"] for one in rest["event_reports"]] == ["$event0"]
    assert "next_token" not in rest
    assert oldest["event_reports"] == rest["event_reports"]
    assert [one["user_id"] for one in of_bob["event_reports"]] == [bob.user_id]
    assert (elsewhere["total"], elsewhere["event_reports"]) == (0, [])
    assert rest["event_reports"][0] == {
        "id": rest["event_reports"][0]["id"],
        "received_ts": server.clock.now_ms(),
        "user_id": alice.user_id,
        "reason": "reason 0",
        "room_id": "!room:xylem.test",
        "name": "Cheese",
        "canonical_alias": "#cheese:xylem.test",
        "event_id": "$event0",
        "sender": "@mallory:elsewhere.test",
        "score": None,
    }


async def test_a_report_is_shown_with_its_event_and_deleted_once_dealt_with(
    server: UserApiServer, alice: User
) -> None:
    root = await server.admin()
    await server.api.reports.perform_add_report(report=event_report(alice.user_id, 1))
    [listed] = (await root.client.get(f"{ADMIN}/event_reports")).json["event_reports"]
    path = f"{ADMIN}/event_reports/{listed['id']}"

    shown = await root.client.get(path)

    assert shown.json == {**listed, "event_json": {"type": "m.room.message"}}
    assert (await root.client.get(f"{ADMIN}/room_reports/{listed['id']}")).status == 404
    assert (await root.client.get(f"{ADMIN}/event_reports/one")).status == 404
    assert (await root.client.delete(path)).status == 200
    assert (await root.client.delete(path)).errcode == "M_NOT_FOUND"
    assert (await root.client.get(path)).errcode == "M_NOT_FOUND"


async def test_only_administrators_see_reports(server: UserApiServer, alice: User) -> None:
    await server.api.reports.perform_add_report(report=event_report(alice.user_id, 1))

    for path in ("event_reports", "room_reports", "user_reports", "event_reports/1"):
        answer = await alice.client.get(f"{ADMIN}/{path}")
        assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
    assert (await alice.client.delete(f"{ADMIN}/event_reports/1")).status == 403


async def test_reports_are_bounded_in_rate_length_and_number(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(
        log,
        report_rate_per_user=Rate(per_second=0.1, burst=3),
        report_reason_characters_max=8,
        reports_max=2,
    ) as server:
        alice, root = await server.user("alice"), await server.admin()
        for number in range(3):
            await server.api.reports.perform_add_report(report=event_report(alice.user_id, number))
        with pytest.raises(LimitExceeded):
            await server.api.reports.perform_add_report(report=event_report(alice.user_id, 3))
        with pytest.raises(TooLarge):
            await server.api.reports.perform_add_report(report=event_report(root.user_id, 10))

        shown = (await root.client.get(f"{ADMIN}/event_reports")).json

        assert [one["event_id"] for one in shown["event_reports"]] == ["$event2", "$event1"]


async def test_guests_are_told_from_users(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, guests_allowed=True) as server:
        alice = await server.user("alice")
        registered = await server.client.post(f"{V3}/register?kind=guest", {})
        guest = UserID(registered.json["user_id"])

        found = await server.api.accounts.query_guests(
            user_ids=[UserID(alice.user_id), guest, UserID("@nobody:xylem.test")]
        )

        assert found == [guest]


async def test_the_reports_of_one_user_push_out_their_own_and_no_others(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, reports_per_user_max=2, report_rate_per_user=None) as server:
        root = await server.admin()
        await server.api.reports.perform_add_report(report=event_report("@alice:xylem.test", 0))
        for number in range(1, 5):
            await server.api.reports.perform_add_report(
                report=event_report("@mallory:xylem.test", number)
            )

        shown = (await root.client.get(f"{ADMIN}/event_reports?dir=f")).json

    assert [one["reason"] for one in shown["event_reports"]] == ["reason 0", "reason 3", "reason 4"]
