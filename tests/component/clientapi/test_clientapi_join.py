"""Joining rooms: by ID and alias, by invitation, by membership of another room."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from base.limits import Rate
from tests.component.clientapi.clientapi_server import (
    House,
    User,
    room_with_rule,
    running_house,
    with_settings,
)

FORBIDDEN = (403, "M_FORBIDDEN")


async def test_a_public_room_is_joined(house: House, alice: User, bob: User) -> None:
    room_id = await alice.create_room(preset="public_chat")

    answer = await bob.in_room("join", room_id, reason="curious")

    assert (answer.status, answer.json) == (200, {"room_id": room_id})
    assert await house.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "join",
        "displayname": "bob",
        "reason": "curious",
    }


@pytest.mark.parametrize("path", ["/rooms/{}/join", "/join/{}"])
async def test_a_join_keeps_what_the_client_says_of_it(
    house: House, alice: User, bob: User, path: str
) -> None:
    room_id = await alice.create_room(preset="public_chat")
    body = {"org.example.from": {"a": 1}, "membership": "ban", "third_party_signed": {}}

    answer = await bob.post(path.format(quote(room_id)), body)

    assert answer.status == 200
    assert await house.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "join",
        "displayname": "bob",
        "org.example.from": {"a": 1},
    }


async def test_a_room_is_joined_by_its_alias(house: House, alice: User, bob: User) -> None:
    room_id = await alice.create_room(preset="public_chat", room_alias_name="thepub")

    answer = await bob.post(f"/join/{quote('#thepub:xylem.test')}?via=xylem.test")

    assert answer.json == {"room_id": room_id}
    assert await house.membership(room_id, bob) == "join"


async def test_a_join_needs_no_body(alice: User, bob: User) -> None:
    room_id = await alice.create_room(preset="public_chat")

    answer = await bob.client.post(f"/_matrix/client/r0/rooms/{quote(room_id)}/join")

    assert answer.status == 200


async def test_who_has_joined_joins_again_without_an_event(
    house: House, bob: User, room_id: str
) -> None:
    before = await house.history(room_id)

    answer = await bob.join(room_id)

    assert answer.json == {"room_id": room_id}
    assert len(await house.history(room_id)) == len(before)


async def test_a_private_room_is_joined_by_invitation_only(alice: User, bob: User) -> None:
    room_id = await alice.create_room()
    refused = await bob.join(room_id)
    await alice.in_room("invite", room_id, user_id=bob.user_id)

    answer = await bob.join(room_id)

    assert ((refused.status, refused.errcode), answer.status) == (FORBIDDEN, 200)


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        ("!nowhere:xylem.test", (404, "M_NOT_FOUND")),
        ("!nowhere:elsewhere.test", (404, "M_NOT_FOUND")),
        ("#nowhere:xylem.test", (404, "M_NOT_FOUND")),
        ("#nowhere:elsewhere.test", (404, "M_NOT_FOUND")),
        ("nowhere", (400, "M_INVALID_PARAM")),
        ("#nowhere", (400, "M_INVALID_PARAM")),
    ],
)
async def test_what_is_no_known_room_cannot_be_joined(
    alice: User, target: str, refusal: tuple[int, str]
) -> None:
    answer = await alice.post(f"/join/{quote(target)}")

    assert (answer.status, answer.errcode) == refusal


async def test_many_join_at_once(house: House, alice: User) -> None:
    room_id = await alice.create_room(preset="public_chat")
    users = [await house.user(f"user{number}") for number in range(20)]

    answers = await asyncio.gather(*(user.join(room_id) for user in users))

    assert {answer.status for answer in answers} == {200}
    events = await house.history(room_id)
    assert [event.depth for event in events] == list(range(1, len(events) + 1))


async def test_the_same_user_joining_twice_at_once_is_in_the_room(
    house: House, alice: User, bob: User
) -> None:
    room_id = await alice.create_room(preset="public_chat")

    answers = await asyncio.gather(bob.join(room_id), bob.join(room_id))

    assert [answer.status for answer in answers] == [200, 200]
    assert await house.membership(room_id, bob) == "join"


async def test_guests_join_where_guests_are_welcome(house: House, alice: User) -> None:
    welcome = [{"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}]
    open_room = await alice.create_room(preset="public_chat", initial_state=welcome)
    closed_room = await alice.create_room(preset="public_chat")
    guest = await house.guest()

    joined = await guest.join(open_room)
    refused = await guest.join(closed_room)
    by_alias = await guest.post(f"/join/{quote(open_room)}")

    assert joined.status == 200
    assert by_alias.status == 200
    assert (refused.status, refused.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_who_joins_too_often_has_to_wait(tmp_path: Path) -> None:
    rate = Rate(per_second=1, burst=1)
    async with running_house(tmp_path, with_settings(join_rate_per_user=rate)) as house:
        alice, bob = await house.user("alice"), await house.user("bob")
        rooms = [await alice.create_room(preset="public_chat") for _ in range(2)]

        first = await bob.join(rooms[0])
        second = await bob.join(rooms[1])
        repeated = await bob.join(rooms[0])

    assert (first.status, repeated.status) == (200, 200)
    assert (second.status, second.errcode) == (429, "M_LIMIT_EXCEEDED")


@pytest.mark.parametrize(
    "rule",
    [("8", "restricted"), ("10", "knock_restricted"), ("12", "restricted")],
)
async def test_members_of_an_allowed_room_join_a_restricted_one(
    house: House, alice: User, bob: User, charlie: User, rule: tuple[str, str]
) -> None:
    version, join_rule = rule
    allowed = await alice.create_room(preset="public_chat")
    await bob.join(allowed)
    condition = {"type": "m.room_membership", "room_id": allowed}
    room_id = await room_with_rule(alice, version, {"join_rule": join_rule, "allow": [condition]})

    joined = await bob.join(room_id)
    refused = await charlie.join(room_id)

    assert joined.status == 200, joined
    assert (refused.status, refused.errcode) == FORBIDDEN
    content = await house.content(room_id, "m.room.member", bob.user_id)
    assert content["join_authorised_via_users_server"] == alice.user_id


async def test_who_has_left_the_allowed_room_needs_an_invite(alice: User, bob: User) -> None:
    allowed = await alice.create_room(preset="public_chat")
    await bob.join(allowed)
    await bob.in_room("leave", allowed)
    condition = {"type": "m.room_membership", "room_id": allowed}
    room_id = await room_with_rule(
        alice, "12", {"join_rule": "restricted", "allow": [condition, "broken", {"type": 5}]}
    )
    refused = await bob.join(room_id)
    await alice.in_room("invite", room_id, user_id=bob.user_id)

    joined = await bob.join(room_id)

    assert ((refused.status, refused.errcode), joined.status) == (FORBIDDEN, 200)


async def test_an_ordinary_member_lets_in_when_everybody_may_invite(
    house: House, alice: User, bob: User, charlie: User
) -> None:
    allowed = await alice.create_room(preset="public_chat")
    await charlie.join(allowed)
    condition = {"type": "m.room_membership", "room_id": allowed}
    rule = {"join_rule": "restricted", "allow": [condition]}
    room_id = await room_with_rule(alice, "10", rule, invite=[bob.user_id])
    await bob.join(room_id)
    await alice.in_room("leave", room_id)

    joined = await charlie.join(room_id)

    assert joined.status == 200, joined
    content = await house.content(room_id, "m.room.member", charlie.user_id)
    assert content["join_authorised_via_users_server"] == bob.user_id


async def test_nobody_is_let_in_when_nobody_may_invite(
    alice: User, bob: User, charlie: User
) -> None:
    allowed = await alice.create_room(preset="public_chat")
    await charlie.join(allowed)
    condition = {"type": "m.room_membership", "room_id": allowed}
    rule = {"join_rule": "restricted", "allow": [condition]}
    room_id = await room_with_rule(
        alice, "10", rule, invite=[bob.user_id], power_level_content_override={"invite": 50}
    )
    await bob.join(room_id)
    await alice.in_room("leave", room_id)

    refused = await charlie.join(room_id)

    assert (refused.status, refused.errcode) == FORBIDDEN
