"""Memberships set as state, and knocking."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.component.clientapi.clientapi_server import (
    House,
    User,
    room_with_rule,
)

FORBIDDEN = (403, "M_FORBIDDEN")


async def test_a_user_asks_again_for_another_reason(house: House, alice: User, bob: User) -> None:
    room_id = await room_with_rule(alice, "12", {"join_rule": "knock"})
    path = f"/knock/{quote(room_id)}"
    events = []
    for body in ({"reason": "please"}, {"reason": "please"}, {}, {"reason": "I have cake"}):
        assert (await bob.post(path, body)).status == 200
        events.append((await house.state(room_id))["m.room.member", bob.user_id])

    first, *again, last = events
    assert [one.event_id for one in again] == [first.event_id, first.event_id]
    assert (last.content["membership"], last.content["reason"]) == ("knock", "I have cake")


async def test_a_knock_is_answered_by_an_invite(house: House, alice: User, bob: User) -> None:
    room_id = await room_with_rule(alice, "12", {"join_rule": "knock"})

    knocked = await bob.post(f"/knock/{quote(room_id)}", {"reason": "please"})
    assert (knocked.status, knocked.json) == (200, {"room_id": room_id})
    assert await house.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "knock",
        "displayname": "bob",
        "reason": "please",
    }
    assert (await bob.join(room_id)).status == 403

    invited = await alice.in_room("invite", room_id, user_id=bob.user_id)
    joined = await bob.join(room_id)

    assert (invited.status, joined.status) == (200, 200)


async def test_a_knock_is_taken_back_or_refused(house: House, alice: User, bob: User) -> None:
    room_id = await room_with_rule(alice, "12", {"join_rule": "knock"})
    await bob.post(f"/knock/{quote(room_id)}")
    again = await bob.post(f"/knock/{quote(room_id)}")
    taken_back = await bob.in_room("leave", room_id)
    await bob.post(f"/knock/{quote(room_id)}")

    refused = await alice.in_room("kick", room_id, user_id=bob.user_id)

    assert (again.status, taken_back.status, refused.status) == (200, 200, 200)
    assert await house.membership(room_id, bob) == "leave"


async def test_knocking_needs_a_room_that_listens(
    alice: User, bob: User, charlie: User, room_id: str
) -> None:
    old = await room_with_rule(alice, "6", {"join_rule": "knock"})
    listening = await room_with_rule(alice, "12", {"join_rule": "knock"}, invite=[bob.user_id])
    await alice.in_room("ban", listening, user_id=charlie.user_id)

    answers = [
        await charlie.post(f"/knock/{quote(room_id)}"),
        await charlie.post(f"/knock/{quote(old)}"),
        await charlie.post(f"/knock/{quote(listening)}"),
        await bob.post(f"/knock/{quote(listening)}"),
        await alice.post(f"/knock/{quote(listening)}"),
    ]
    unknown = await bob.post(f"/knock/{quote('!nowhere:xylem.test')}")

    assert {(answer.status, answer.errcode) for answer in answers} == {FORBIDDEN}
    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")


async def test_memberships_set_as_state_go_through_the_same_checks(
    house: House, alice: User, bob: User, charlie: User, room_id: str
) -> None:
    async def set_membership(by: User, of: User, membership: str) -> tuple[int, str | None]:
        content = {"membership": membership}
        answer = await by.set_state(room_id, "m.room.member", content, of.user_id)
        return answer.status, answer.errcode

    assert await set_membership(alice, charlie, "invite") == (200, None)
    assert await set_membership(alice, charlie, "join") == FORBIDDEN
    assert await set_membership(charlie, charlie, "join") == (200, None)
    assert await set_membership(alice, bob, "invite") == FORBIDDEN
    assert await set_membership(alice, bob, "ban") == (200, None)
    assert await set_membership(bob, bob, "join") == FORBIDDEN
    assert await set_membership(bob, bob, "leave") == FORBIDDEN
    assert await set_membership(charlie, bob, "leave") == FORBIDDEN
    assert await set_membership(alice, bob, "leave") == (200, None)
    assert await set_membership(alice, bob, "leave") == FORBIDDEN
    assert await set_membership(alice, charlie, "leave") == (200, None)
    assert await set_membership(charlie, charlie, "ban") == FORBIDDEN
    assert await set_membership(alice, alice, "dance") == (400, "M_BAD_JSON")
    assert await set_membership(alice, bob, "dance") == (400, "M_BAD_JSON")
    assert await set_membership(alice, alice, "leave") == (200, None)
    assert await house.membership(room_id, alice) == "leave"


async def test_a_member_has_another_name_in_one_room(house: House, bob: User, room_id: str) -> None:
    content = {"membership": "join", "displayname": "Robert", "org.example": 1}

    answer = await bob.set_state(room_id, "m.room.member", content, bob.user_id)

    assert answer.status == 200
    assert await house.content(room_id, "m.room.member", bob.user_id) == content


async def test_a_member_event_cannot_claim_what_servers_say(
    house: House, bob: User, room_id: str
) -> None:
    content = {"membership": "join", "join_authorised_via_users_server": "@alice:xylem.test"}

    await bob.set_state(room_id, "m.room.member", content, bob.user_id)

    shown = await house.content(room_id, "m.room.member", bob.user_id)
    assert "join_authorised_via_users_server" not in shown


@pytest.mark.parametrize(
    ("state_key", "content", "refusal"),
    [
        ("@bob:xylem.test", {}, (400, "M_BAD_JSON")),
        ("@bob:xylem.test", {"membership": 5}, (400, "M_BAD_JSON")),
        ("@bob:xylem.test", {"membership": "join", "displayname": 5}, (400, "M_BAD_JSON")),
        ("@bob:xylem.test", {"membership": "join", "avatar_url": "a"}, (400, "M_INVALID_PARAM")),
        ("bob", {"membership": "join"}, (400, "M_INVALID_PARAM")),
        ("", {"membership": "join"}, (400, "M_INVALID_PARAM")),
    ],
)
async def test_a_malformed_member_event_is_refused(
    bob: User, room_id: str, state_key: str, content: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = await bob.set_state(room_id, "m.room.member", content, state_key)

    assert (answer.status, answer.errcode) == refusal
