"""What suspended accounts cannot do, and what they still can."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.component.clientapi.clientapi_server import House, User, room_with_rule

SUSPENDED = (403, "M_USER_SUSPENDED")
ALIAS = "/directory/room/" + quote("#den:xylem.test")


async def set_suspended(house: House, user: User, *, suspended: bool) -> None:
    """Suspend an account, or lift its suspension."""
    root = await house.user(f"root-{suspended}".lower(), is_admin=True)
    path = f"/_matrix/client/v1/admin/suspend/{user.user_id}"
    answer = await root.client.put(path, {"suspended": suspended})
    assert answer.status == 200, answer


async def suspend(house: House, user: User) -> None:
    await set_suspended(house, user, suspended=True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("send/m.room.message/1", {"body": "hello"}),
        ("send/m.reaction/1", {}),
        ("state/m.room.topic/", {"topic": "spam"}),
        ("state/m.room.member/{alice}", {"membership": "join", "displayname": "spam"}),
        ("state/m.room.member/{bob}", {"membership": "invite"}),
        ("state/m.room.member/{bob}", {"membership": "ban"}),
        ("state/m.room.member/{bob}", {"membership": "leave"}),
    ],
)
async def test_a_suspended_user_sends_nothing(
    house: House, alice: User, bob: User, room_id: str, *, path: str, body: dict[str, Any]
) -> None:
    await suspend(house, alice)
    before = len(await house.history(room_id))
    path = path.format(alice=quote(alice.user_id), bob=quote(bob.user_id))

    answer = await alice.put(f"/rooms/{quote(room_id)}/{path}", body)

    assert (answer.status, answer.errcode) == SUSPENDED
    assert len(await house.history(room_id)) == before


@pytest.mark.parametrize("action", ["invite", "kick", "ban", "unban"])
async def test_a_suspended_user_changes_no_membership_of_others(
    house: House, alice: User, bob: User, room_id: str, action: str
) -> None:
    await suspend(house, alice)

    answer = await alice.in_room(action, room_id, user_id=bob.user_id)

    assert (answer.status, answer.errcode) == SUSPENDED
    assert await house.membership(room_id, bob) == "join"


async def test_a_suspended_user_enters_no_room(house: House, alice: User, bob: User) -> None:
    public = await alice.create_room(preset="public_chat")
    invited = await alice.create_room(invite=[bob.user_id])
    open_to_knocks = await room_with_rule(alice, "12", {"join_rule": "knock"})
    await suspend(house, bob)

    answers = [
        await bob.join(public),
        await bob.post(f"/join/{quote(public)}"),
        await bob.join(invited),
        await bob.post(f"/knock/{quote(open_to_knocks)}"),
        await bob.post("/createRoom"),
    ]

    assert {(one.status, one.errcode) for one in answers} == {SUSPENDED}
    assert await house.membership(public, bob) is None
    assert await house.membership(invited, bob) == "invite"
    assert await house.membership(open_to_knocks, bob) is None


async def test_a_suspended_user_leaves_rooms_and_rejects_invites(
    house: House, alice: User, bob: User, room_id: str
) -> None:
    invited = await alice.create_room(invite=[bob.user_id])
    other = await alice.create_room(preset="public_chat")
    await bob.join(other)
    await suspend(house, bob)

    left = await bob.in_room("leave", room_id)
    rejected = await bob.in_room("leave", invited)
    by_event = await bob.set_state(other, "m.room.member", {"membership": "leave"}, bob.user_id)

    assert [left.status, rejected.status, by_event.status] == [200, 200, 200]
    for one in (room_id, invited, other):
        assert await house.membership(one, bob) == "leave"


async def test_a_suspended_user_redacts_only_what_they_sent(
    house: House, alice: User, bob: User, room_id: str
) -> None:
    first, second = [(await alice.send(room_id)).json["event_id"] for _ in range(2)]
    of_bob = (await bob.send(room_id)).json["event_id"]
    await suspend(house, alice)

    own = await alice.redact(room_id, first)
    by_event = await alice.send(room_id, {"redacts": second}, kind="m.room.redaction")
    of_others = await alice.redact(room_id, of_bob)
    of_others_by_event = await alice.send(room_id, {"redacts": of_bob}, kind="m.room.redaction")

    assert (own.status, by_event.status) == (200, 200)
    assert (await house.event(first)).content == (await house.event(second)).content == {}
    assert (of_others.status, of_others.errcode) == SUSPENDED
    assert (of_others_by_event.status, of_others_by_event.errcode) == SUSPENDED
    assert (await house.event(of_bob)).content != {}


async def test_a_suspended_user_keeps_the_profile(house: House, alice: User) -> None:
    profile = f"/profile/{alice.user_id}"
    await suspend(house, alice)

    answers = [
        await alice.put(f"{profile}/displayname", {"displayname": "spam"}),
        await alice.put(f"{profile}/org.example.note", {"org.example.note": "spam"}),
        await alice.delete(f"{profile}/displayname"),
    ]

    assert {(one.status, one.errcode) for one in answers} == {SUSPENDED}
    assert (await alice.get(profile)).json == {"displayname": "alice"}


async def test_a_suspended_user_names_publishes_and_upgrades_no_room(
    house: House, alice: User, room_id: str
) -> None:
    assert (await alice.put(ALIAS, {"room_id": room_id})).status == 200
    await suspend(house, alice)

    answers = [
        await alice.put(ALIAS.replace("den", "cave"), {"room_id": room_id}),
        await alice.delete(ALIAS),
        await alice.put(f"/directory/list/room/{quote(room_id)}", {"visibility": "public"}),
        await alice.in_room("upgrade", room_id, new_version="12"),
    ]

    assert {(one.status, one.errcode) for one in answers} == {SUSPENDED}
    assert (await alice.get(ALIAS)).json["room_id"] == room_id


async def test_a_suspension_that_is_lifted_refuses_nothing(
    house: House, alice: User, room_id: str
) -> None:
    await suspend(house, alice)
    refused = await alice.send(room_id, transaction="same")
    await set_suspended(house, alice, suspended=False)

    sent = await alice.send(room_id, transaction="same")

    assert (refused.status, refused.errcode) == SUSPENDED
    assert sent.status == 200
