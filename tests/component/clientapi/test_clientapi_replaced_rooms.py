"""What users set for a room goes over to the room that replaces it, when they join it."""

from typing import Any
from urllib.parse import quote

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


async def test_a_predecessor_may_be_anything(alice: User, bob: User) -> None:
    for predecessor in ("x", {}, {"room_id": 1}, {"room_id": "x"}, {"room_id": "!unknown:a.test"}):
        room_id = await alice.create_room(
            preset="public_chat", creation_content={"predecessor": predecessor}
        )

        assert (await bob.join(room_id)).status == 200
