"""What users set for a room goes over to the room that replaces it, when they join it."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.component.clientapi.clientapi_server import User


async def account_data(user: User, kind: str, room_id: str | None = None) -> Any:
    """Return account data of a user, `None` where there is none."""
    room = "" if room_id is None else f"/rooms/{quote(room_id)}"
    answer = await user.get(f"/user/{quote(user.user_id)}{room}/account_data/{kind}")
    return answer.json if answer.status == 200 else None


async def set_up(user: User, room_id: str, friend: User) -> None:
    """Let a user give a room a tag and a push rule, and call it a direct chat."""
    own = f"/user/{quote(user.user_id)}"
    answers = [
        await user.put(f"{own}/rooms/{quote(room_id)}/tags/m.favourite", {"order": 0.5}),
        await user.put(f"{own}/account_data/m.direct", {friend.user_id: [room_id, "!other:a"]}),
        await user.put(
            f"/pushrules/global/room/{quote(room_id, safe='')}", {"actions": ["dont_notify"]}
        ),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]


async def room_rules(user: User) -> dict[str, Any]:
    """Return the actions of a user's push rules of rooms, by room."""
    rules = (await user.get("/pushrules/global/")).json["room"]
    return {rule["rule_id"]: rule["actions"] for rule in rules}


async def upgraded(user: User, room_id: str) -> str:
    """Upgrade a room and return the ID of the new one."""
    answer = await user.in_room("upgrade", room_id, new_version="12")
    assert answer.status == 200, answer
    return str(answer.json["replacement_room"])


async def test_settings_of_who_upgrades_and_of_who_joins_go_over(
    alice: User, bob: User, room_id: str
) -> None:
    for user, friend in ((alice, bob), (bob, alice)):
        await set_up(user, room_id, friend)

    new_room_id = await upgraded(alice, room_id)
    before = await account_data(bob, "m.tag", new_room_id)
    joined = await bob.join(new_room_id)

    assert (before, joined.status) == (None, 200)
    for user, friend in ((alice, bob), (bob, alice)):
        tags = await account_data(user, "m.tag", new_room_id)
        assert tags == {"tags": {"m.favourite": {"order": 0.5}}}
        direct = await account_data(user, "m.direct")
        assert direct == {friend.user_id: [room_id, "!other:a", new_room_id]}
        rules = await room_rules(user)
        assert rules[new_room_id] == rules[room_id] == ["dont_notify"]


async def test_what_is_set_for_the_new_room_already_stays(
    alice: User, bob: User, room_id: str
) -> None:
    await set_up(bob, room_id, alice)
    new_room_id = await upgraded(alice, room_id)
    own = f"/user/{quote(bob.user_id)}"
    await bob.put(f"{own}/rooms/{quote(new_room_id)}/tags/m.lowpriority", {})
    await bob.put(f"/pushrules/global/room/{quote(new_room_id, safe='')}", {"actions": []})

    await bob.join(new_room_id)

    assert await account_data(bob, "m.tag", new_room_id) == {"tags": {"m.lowpriority": {}}}
    assert (await room_rules(bob))[new_room_id] == []


async def test_who_has_set_nothing_has_nothing_set(alice: User, bob: User, room_id: str) -> None:
    new_room_id = await upgraded(alice, room_id)

    await bob.join(new_room_id)

    assert await account_data(bob, "m.tag", new_room_id) is None
    assert await account_data(bob, "m.direct") is None
    assert await room_rules(bob) == {}


async def replaced_by_hand(user: User, room_id: str, **options: Any) -> str:
    """Replace a room as clients do who make the new one and then the tombstone."""
    content = {"predecessor": {"room_id": room_id, "event_id": "$last"}}
    return await user.create_room(preset="public_chat", creation_content=content, **options)


async def bury(user: User, room_id: str, new_room_id: str) -> None:
    """Set a room's tombstone."""
    content = {"body": "This room has been replaced", "replacement_room": new_room_id}
    answer = await user.set_state(room_id, "m.room.tombstone", content)
    assert answer.status == 200, answer


async def has_nothing(user: User, room_id: str) -> bool:
    """Return whether a user has nothing set for a room."""
    direct = await account_data(user, "m.direct") or {}
    return (
        await account_data(user, "m.tag", room_id) is None
        and not any(room_id in rooms for rooms in direct.values())
        and room_id not in await room_rules(user)
    )


async def test_a_forged_predecessor_gets_nothing(alice: User, bob: User, charlie: User) -> None:
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    for user, friend in ((alice, bob), (bob, alice)):
        await set_up(user, room_id, friend)
    elsewhere = await alice.create_room()
    forged = await replaced_by_hand(charlie, room_id)

    await bob.join(forged)
    await bury(alice, room_id, elsewhere)
    await alice.join(forged)

    assert await has_nothing(bob, forged)
    assert await has_nothing(alice, forged)
    assert await has_nothing(alice, elsewhere)


async def test_only_members_of_the_old_room_keep_what_they_set(
    alice: User, bob: User, charlie: User, room_id: str
) -> None:
    await charlie.join(room_id)
    stranger = await alice.house.user("stranger")
    for user in (bob, charlie, stranger):
        await set_up(user, room_id, alice)
    await alice.in_room("invite", room_id, user_id=stranger.user_id)
    new_room_id = await upgraded(alice, room_id)
    await bob.in_room("leave", room_id)
    await alice.in_room("ban", room_id, user_id=charlie.user_id)
    await stranger.in_room("leave", room_id)

    for user in (bob, charlie, stranger):
        assert (await user.join(new_room_id)).status == 200

    assert not await has_nothing(bob, new_room_id)
    assert await has_nothing(charlie, new_room_id)
    assert await has_nothing(stranger, new_room_id)


@pytest.mark.parametrize("way", ["id", "alias", "state", "invite", "knock", "restricted"])
async def test_settings_go_over_however_one_comes_in(alice: User, bob: User, way: str) -> None:
    room_id = await alice.create_room(preset="public_chat", room_alias_name="pub")
    await bob.join(room_id)
    await set_up(bob, room_id, alice)
    new_room_id = await upgraded(alice, room_id)
    rules: dict[str, dict[str, Any]] = {
        "invite": {"join_rule": "invite"},
        "knock": {"join_rule": "knock"},
        "restricted": {
            "join_rule": "restricted",
            "allow": [{"type": "m.room_membership", "room_id": room_id}],
        },
    }
    if way in rules:
        await alice.set_state(new_room_id, "m.room.join_rules", rules[way])

    if way == "knock":
        assert (await bob.post(f"/knock/{quote(new_room_id)}")).status == 200
    if way in ("invite", "knock"):
        invited = await alice.in_room("invite", new_room_id, user_id=bob.user_id)
        assert invited.status == 200, invited
    if way == "alias":
        joined = await bob.post(f"/join/{quote('#pub:xylem.test')}")
    elif way == "state":
        content = {"membership": "join"}
        joined = await bob.set_state(new_room_id, "m.room.member", content, bob.user_id)
    else:
        joined = await bob.join(new_room_id)

    assert joined.status == 200, joined
    assert await account_data(bob, "m.tag", new_room_id) == {
        "tags": {"m.favourite": {"order": 0.5}}
    }
    assert (await room_rules(bob))[new_room_id] == ["dont_notify"]


async def test_settings_go_over_where_the_tombstone_comes_last(
    alice: User, bob: User, room_id: str
) -> None:
    for user, friend in ((alice, bob), (bob, alice)):
        await set_up(user, room_id, friend)
    new_room_id = await replaced_by_hand(alice, room_id)
    await bob.join(new_room_id)
    assert await has_nothing(alice, new_room_id)
    assert await has_nothing(bob, new_room_id)

    await bury(alice, room_id, new_room_id)

    for user in (alice, bob):
        assert not await has_nothing(user, new_room_id)


async def test_a_tombstone_gives_nothing_to_a_room_that_names_another_predecessor(
    alice: User, bob: User, room_id: str
) -> None:
    await set_up(bob, room_id, alice)
    other = await alice.create_room(preset="public_chat")
    await bob.join(other)

    await bury(alice, room_id, other)

    assert await has_nothing(bob, other)


async def test_rules_with_the_room_as_a_condition_go_over(
    alice: User, bob: User, room_id: str
) -> None:
    condition = {"kind": "event_match", "key": "room_id", "pattern": room_id}
    muted = {"actions": [], "conditions": [condition]}
    path = f"/pushrules/global/override/{quote(room_id, safe='')}"
    assert (await bob.put(path, muted)).status == 200
    named = {"actions": ["notify"], "conditions": [condition, {"kind": "contains_display_name"}]}
    assert (await bob.put("/pushrules/global/underride/named", named)).status == 200

    new_room_id = await upgraded(alice, room_id)
    await bob.join(new_room_id)

    rules = (await bob.get("/pushrules/global/")).json
    [copied] = [rule for rule in rules["override"] if rule["rule_id"] == new_room_id]
    assert copied["conditions"] == [{**condition, "pattern": new_room_id}]
    [other] = [rule for rule in rules["underride"] if rule["rule_id"] == f"named_{new_room_id}"]
    assert other["conditions"][0]["pattern"] == new_room_id
    assert sum(rule["rule_id"] == room_id for rule in rules["override"]) == 1


async def test_a_predecessor_may_be_anything(alice: User, bob: User) -> None:
    for predecessor in ("x", {}, {"room_id": 1}, {"room_id": "x"}, {"room_id": "!unknown:a.test"}):
        room_id = await alice.create_room(
            preset="public_chat", creation_content={"predecessor": predecessor}
        )

        assert (await bob.join(room_id)).status == 200
