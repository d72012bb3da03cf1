"""Inviting, leaving, forgetting, kicking, banning."""

from pathlib import Path
from typing import Any

import pytest

from base.limits import Rate
from tests.component.clientapi.clientapi_server import House, User, running_house, with_settings

FORBIDDEN = (403, "M_FORBIDDEN")


async def test_an_invite_names_reason_and_profile(house: House, alice: User, bob: User) -> None:
    room_id = await alice.create_room()

    answer = await alice.in_room(
        "invite", room_id, user_id=bob.user_id, reason="welcome", is_direct=True
    )

    assert (answer.status, answer.json) == (200, {})
    assert await house.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "invite",
        "displayname": "bob",
        "reason": "welcome",
        "is_direct": True,
    }


async def test_who_is_invited_already_is_invited_without_an_event(
    house: House, alice: User, bob: User
) -> None:
    room_id = await alice.create_room(invite=[bob.user_id])
    before = await house.history(room_id)

    answer = await alice.in_room("invite", room_id, user_id=bob.user_id)

    assert answer.status == 200
    assert len(await house.history(room_id)) == len(before)


async def test_who_is_in_the_room_or_banned_cannot_be_invited(
    alice: User, bob: User, charlie: User, room_id: str
) -> None:
    await alice.in_room("ban", room_id, user_id=charlie.user_id)

    joined = await alice.in_room("invite", room_id, user_id=bob.user_id)
    banned = await alice.in_room("invite", room_id, user_id=charlie.user_id)
    oneself = await alice.in_room("invite", room_id, user_id=alice.user_id)

    assert (joined.status, joined.errcode) == FORBIDDEN
    assert (banned.status, banned.errcode) == FORBIDDEN
    assert "banned" in banned.json["error"]
    assert (oneself.status, oneself.errcode) == FORBIDDEN


async def test_inviting_needs_to_be_in_the_room_and_the_level(
    alice: User, bob: User, charlie: User
) -> None:
    room_id = await alice.create_room(
        invite=[bob.user_id], power_level_content_override={"invite": 50}
    )
    outside = await bob.in_room("invite", room_id, user_id=charlie.user_id)
    await bob.join(room_id)

    powerless = await bob.in_room("invite", room_id, user_id=charlie.user_id)

    assert (outside.status, outside.errcode) == FORBIDDEN
    assert (powerless.status, powerless.errcode) == FORBIDDEN


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, (400, "M_MISSING_PARAM")),
        ({"user_id": 5}, (400, "M_BAD_JSON")),
        ({"user_id": "bob"}, (400, "M_INVALID_PARAM")),
        ({"user_id": "@bob:xylem.test", "reason": 5}, (400, "M_BAD_JSON")),
        ({"user_id": "@nobody:xylem.test"}, (404, "M_NOT_FOUND")),
        ({"user_id": "@bob:elsewhere.test"}, FORBIDDEN),
        ({"medium": "email", "address": "bob@example.org"}, (403, "M_THREEPID_DENIED")),
    ],
)
async def test_an_invite_of_nobody_is_refused(
    alice: User, room_id: str, body: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = await alice.in_room("invite", room_id, **body)

    assert (answer.status, answer.errcode) == refusal


async def test_who_invites_too_many_has_to_wait(tmp_path: Path) -> None:
    rate = Rate(per_second=1, burst=2)
    async with running_house(tmp_path, with_settings(invite_rate_per_user=rate)) as house:
        alice = await house.user("alice")
        others = [await house.user(f"user{number}") for number in range(3)]
        room_id = await alice.create_room(invite=[one.user_id for one in others[:2]])

        refused = await alice.in_room("invite", room_id, user_id=others[2].user_id)

    assert (refused.status, refused.errcode) == (429, "M_LIMIT_EXCEEDED")


async def test_a_member_leaves(house: House, bob: User, room_id: str) -> None:
    answer = await bob.in_room("leave", room_id, reason="tired")

    assert (answer.status, answer.json) == (200, {})
    assert await house.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "leave",
        "reason": "tired",
    }
    assert (await bob.send(room_id)).status == 403


async def test_an_invite_is_rejected_by_leaving(house: House, alice: User, bob: User) -> None:
    room_id = await alice.create_room(invite=[bob.user_id])

    answer = await bob.in_room("leave", room_id)

    assert answer.status == 200
    assert await house.membership(room_id, bob) == "leave"
    assert (await bob.join(room_id)).status == 403


async def test_leaving_again_changes_nothing(house: House, bob: User, room_id: str) -> None:
    await bob.in_room("leave", room_id)
    before = await house.history(room_id)

    answer = await bob.in_room("leave", room_id)

    assert answer.status == 200
    assert len(await house.history(room_id)) == len(before)


async def test_who_was_never_in_a_room_cannot_leave_it(charlie: User, room_id: str) -> None:
    answer = await charlie.in_room("leave", room_id)
    unknown = await charlie.in_room("leave", "!nowhere:xylem.test")

    assert (answer.status, answer.errcode) == FORBIDDEN
    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")


async def test_only_who_has_left_forgets(
    alice: User, bob: User, charlie: User, room_id: str
) -> None:
    inside = await bob.in_room("forget", room_id)
    await bob.in_room("leave", room_id)
    outside = await bob.in_room("forget", room_id)
    never = await charlie.in_room("forget", room_id)
    await alice.in_room("ban", room_id, user_id=bob.user_id)
    banned = await bob.in_room("forget", room_id)

    assert (inside.status, inside.errcode) == (400, "M_UNKNOWN")
    assert (outside.status, outside.json) == (200, {})
    assert (never.status, never.errcode) == (404, "M_NOT_FOUND")
    assert banned.status == 200


async def test_a_kicked_user_is_out_and_can_come_back(
    house: House, alice: User, bob: User, room_id: str
) -> None:
    kicked = await alice.in_room("kick", room_id, user_id=bob.user_id, reason="noise")

    assert (kicked.status, kicked.json) == (200, {})
    member = (await house.state(room_id))["m.room.member", bob.user_id]
    assert member.sender == alice.user_id
    assert member.content == {"membership": "leave", "reason": "noise"}
    assert (await bob.join(room_id)).status == 200


async def test_who_is_not_in_the_room_cannot_be_kicked(
    house: House, alice: User, bob: User, charlie: User, room_id: str
) -> None:
    await alice.in_room("ban", room_id, user_id=bob.user_id)

    never = await alice.in_room("kick", room_id, user_id=charlie.user_id)
    banned = await alice.in_room("kick", room_id, user_id=bob.user_id)

    assert (never.status, never.errcode) == FORBIDDEN
    assert (banned.status, banned.errcode) == FORBIDDEN
    assert await house.membership(room_id, bob) == "ban"


@pytest.mark.parametrize("action", ["kick", "ban"])
async def test_kicking_and_banning_need_the_level(
    alice: User, bob: User, charlie: User, room_id: str, action: str
) -> None:
    await charlie.join(room_id)

    upwards = await bob.in_room(action, room_id, user_id=alice.user_id)
    sideways = await bob.in_room(action, room_id, user_id=charlie.user_id)
    await charlie.in_room("leave", room_id)
    outside = await charlie.in_room(action, room_id, user_id=bob.user_id)

    for answer in (upwards, sideways, outside):
        assert (answer.status, answer.errcode) == FORBIDDEN
    assert (await alice.send(room_id)).status == 200


async def test_a_banned_user_cannot_join(
    house: House, alice: User, bob: User, room_id: str
) -> None:
    answer = await alice.in_room("ban", room_id, user_id=bob.user_id, reason="spam")
    refused = await bob.join(room_id)
    leaving = await bob.in_room("leave", room_id)

    assert answer.status == 200
    assert (refused.status, refused.errcode) == FORBIDDEN
    assert (leaving.status, leaving.errcode) == FORBIDDEN
    assert await house.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "ban",
        "reason": "spam",
    }


async def test_who_never_was_in_the_room_can_be_banned(alice: User, room_id: str) -> None:
    answer = await alice.in_room("ban", room_id, user_id="@mallory:elsewhere.test")

    assert answer.status == 200


async def test_an_unbanned_user_joins_again(
    house: House, alice: User, bob: User, room_id: str
) -> None:
    await alice.in_room("ban", room_id, user_id=bob.user_id)

    answer = await alice.in_room("unban", room_id, user_id=bob.user_id)

    assert answer.status == 200
    assert await house.membership(room_id, bob) == "leave"
    assert (await bob.join(room_id)).status == 200


async def test_only_the_banned_are_unbanned(
    house: House, alice: User, bob: User, charlie: User, room_id: str
) -> None:
    member = await alice.in_room("unban", room_id, user_id=bob.user_id)
    await alice.in_room("ban", room_id, user_id=charlie.user_id)
    powerless = await bob.in_room("unban", room_id, user_id=charlie.user_id)

    assert (member.status, member.errcode) == FORBIDDEN
    assert await house.membership(room_id, bob) == "join"
    assert (powerless.status, powerless.errcode) == FORBIDDEN
    assert await house.membership(room_id, charlie) == "ban"
