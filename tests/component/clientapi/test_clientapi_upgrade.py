"""Upgrading rooms: what the new room takes over, and what happens to the old one."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.component.clientapi.clientapi_server import V3, House, Options, User, running_house


async def upgrade(user: User, room_id: str, version: str, **body: Any) -> str:
    """Upgrade a room and return the new one's ID."""
    answer = await user.in_room("upgrade", room_id, new_version=version, **body)
    assert answer.status == 200, answer
    return str(answer.json["replacement_room"])


@pytest.mark.parametrize(
    ("before", "after"), [("1", "2"), ("6", "10"), ("9", "12"), ("12", "11"), ("12", "12")]
)
async def test_a_room_is_replaced_by_one_like_it(
    house: House, alice: User, bob: User, before: str, after: str
) -> None:
    old = await alice.create_room(
        room_version=before,
        visibility="public",
        room_alias_name="pub",
        name="Pub",
        topic="Beer",
        creation_content={"type": "m.space", "m.federate": False},
        power_level_content_override={"events_default": 7},
    )
    await bob.join(old)

    new = await upgrade(alice, old, after)

    create = await house.content(new, "m.room.create")
    assert create["room_version"] == after
    assert (create["type"], create["m.federate"]) == ("m.space", False)
    assert create["predecessor"]["room_id"] == old
    assert await house.content(new, "m.room.name") == {"name": "Pub"}
    assert (await house.content(new, "m.room.topic"))["topic"] == "Beer"
    assert await house.content(new, "m.room.join_rules") == {"join_rule": "public"}
    levels = await house.content(new, "m.room.power_levels")
    assert levels["events_default"] == 7
    greatest = 2**53 - 1 if before == "12" else 100
    assert levels["users"] == ({} if after == "12" else {alice.user_id: greatest})
    tombstone = (await house.state(old))["m.room.tombstone", ""]
    assert tombstone.content["replacement_room"] == new
    assert create["predecessor"].get("event_id") == (None if after == "12" else tombstone.event_id)
    quiet = await house.content(old, "m.room.power_levels")
    assert (quiet["events_default"], quiet["invite"]) == (50, 50)
    assert (await bob.send(old)).status == 403
    assert (await bob.join(new)).status == 200


async def test_aliases_and_the_place_in_the_directory_move(house: House, alice: User) -> None:
    old = await alice.create_room(visibility="public", room_alias_name="pub")

    new = await upgrade(alice, old, "12")

    resolved = await house.client.get(f"{V3}/directory/room/{quote('#pub:xylem.test')}")
    assert resolved.json["room_id"] == new
    assert await house.content(new, "m.room.canonical_alias") == {"alias": "#pub:xylem.test"}
    listed = (await house.client.get(f"{V3}/publicRooms")).json["chunk"]
    assert [room["room_id"] for room in listed] == [new]


async def test_levels_of_old_versions_become_integers(house: House, alice: User) -> None:
    old = await alice.create_room(
        room_version="9",
        power_level_content_override={"ban": "60", "users": {alice.user_id: "100"}},
    )

    new = await upgrade(alice, old, "11")

    levels = await house.content(new, "m.room.power_levels")
    assert (levels["ban"], levels["users"]) == (60, {alice.user_id: 100})


async def test_who_upgrades_to_version_12_creates_and_has_no_level(
    house: House, alice: User, bob: User
) -> None:
    override = {"users": {alice.user_id: 100, bob.user_id: 50, "@charlie:xylem.test": 20}}
    old = await alice.create_room(room_version="11", power_level_content_override=override)

    new = await upgrade(alice, old, "12", additional_creators=[bob.user_id])

    create = await house.content(new, "m.room.create")
    assert create["additional_creators"] == [bob.user_id]
    levels = await house.content(new, "m.room.power_levels")
    assert levels["users"] == {"@charlie:xylem.test": 20}
    # What they could do before, others can do still.
    assert levels["events"]["m.room.tombstone"] == 100


async def test_a_moderator_with_the_level_of_tombstones_upgrades(
    house: House, alice: User, bob: User
) -> None:
    override = {
        "users": {alice.user_id: 100, bob.user_id: 60},
        "events": {"m.room.tombstone": 60, "m.room.power_levels": 100, "m.room.name": 80},
    }
    old = await alice.create_room(
        room_version="10",
        preset="public_chat",
        name="Pub",
        power_level_content_override=override,
    )
    await bob.join(old)

    new = await upgrade(bob, old, "11")

    assert await house.content(new, "m.room.name") == {"name": "Pub"}
    assert (await house.content(new, "m.room.power_levels"))["users"] == override["users"]
    # Bob may not change the levels of the old room, which therefore stay.
    assert (await house.content(old, "m.room.power_levels"))["events_default"] == 0


async def test_a_room_is_upgraded_by_members_with_the_level(
    alice: User, bob: User, charlie: User, room_id: str
) -> None:
    powerless = await bob.in_room("upgrade", room_id, new_version="12")
    outside = await charlie.in_room("upgrade", room_id, new_version="12")
    unknown_room = await alice.in_room("upgrade", "!nowhere:xylem.test", new_version="12")
    unknown_version = await alice.in_room("upgrade", room_id, new_version="nope")
    no_version = await alice.in_room("upgrade", room_id)
    creators = await alice.in_room(
        "upgrade", room_id, new_version="12", additional_creators=["bob"]
    )

    assert (powerless.status, powerless.errcode) == (403, "M_FORBIDDEN")
    assert (outside.status, outside.errcode) == (403, "M_FORBIDDEN")
    assert (unknown_room.status, unknown_room.errcode) == (404, "M_NOT_FOUND")
    assert (unknown_version.status, unknown_version.errcode) == (
        400,
        "M_UNSUPPORTED_ROOM_VERSION",
    )
    assert (no_version.status, no_version.errcode) == (400, "M_MISSING_PARAM")
    assert (creators.status, creators.errcode) == (400, "M_INVALID_PARAM")


async def test_a_tombstone_takes_more_than_other_state_from_version_12_on(
    house: House, alice: User
) -> None:
    levels = {"users": {alice.user_id: 100}, "state_default": 50, "events": {}}
    old = await alice.create_room(room_version="11", power_level_content_override=levels)

    new = await upgrade(alice, old, "12")

    assert (await house.content(new, "m.room.power_levels"))["events"]["m.room.tombstone"] == 51


async def test_creators_stand_above_all_others_in_versions_without_such(
    house: House, alice: User, bob: User, charlie: User
) -> None:
    greatest = 2**53 - 1
    old = await alice.create_room(
        preset="public_chat",
        room_version="12",
        creation_content={"additional_creators": [bob.user_id]},
        power_level_content_override={
            "users": {charlie.user_id: greatest, "@dave:xylem.test": 150},
        },
    )
    for user in (bob, charlie):
        await user.join(old)

    new = await upgrade(charlie, old, "11")

    levels = await house.content(new, "m.room.power_levels")
    assert levels["users"] == {
        alice.user_id: greatest,
        bob.user_id: greatest,
        charlie.user_id: greatest - 1,
        "@dave:xylem.test": 150,
    }
    assert levels["events"]["m.room.tombstone"] == 150


async def test_creators_whom_the_request_does_not_name_keep_a_level_above_others(
    house: House, alice: User, bob: User, charlie: User
) -> None:
    greatest = 2**53 - 1
    old = await alice.create_room(
        room_version="12",
        creation_content={"additional_creators": [bob.user_id, charlie.user_id]},
        power_level_content_override={"users": {"@dave:xylem.test": greatest}},
    )

    new = await upgrade(alice, old, "12", additional_creators=[charlie.user_id])

    create = await house.content(new, "m.room.create")
    assert create["additional_creators"] == [charlie.user_id]
    assert (await house.content(new, "m.room.power_levels"))["users"] == {
        bob.user_id: greatest,
        "@dave:xylem.test": greatest - 1,
    }


async def test_who_upgrades_without_being_a_creator_leaves_the_creators_behind(
    house: House, alice: User, bob: User
) -> None:
    levels = {"users": {bob.user_id: 150}}
    old = await alice.create_room(
        preset="public_chat", room_version="12", power_level_content_override=levels
    )
    await bob.join(old)

    new = await upgrade(bob, old, "12")

    assert (await house.content(new, "m.room.power_levels"))["users"] == {}


async def test_bans_go_over_with_their_reasons(
    house: House, alice: User, bob: User, charlie: User
) -> None:
    override = {
        "users": {alice.user_id: 100, bob.user_id: 60},
        "events": {"m.room.tombstone": 60, "m.room.power_levels": 100},
        "ban": 80,
    }
    old = await alice.create_room(
        preset="public_chat", room_version="10", power_level_content_override=override
    )
    for user in (bob, charlie):
        await user.join(old)
    await alice.in_room("ban", old, user_id=charlie.user_id, reason="spam")
    await alice.in_room("ban", old, user_id="@eve:elsewhere.test")

    new = await upgrade(bob, old, "11")

    ban = await house.content(new, "m.room.member", charlie.user_id)
    assert ban == {"membership": "ban", "reason": "spam"}
    assert (await house.content(new, "m.room.member", "@eve:elsewhere.test"))["membership"] == "ban"
    assert (await charlie.join(new)).status == 403


async def test_a_room_with_more_bans_than_are_written_at_once_is_replaced(
    house: House, alice: User
) -> None:
    old = await alice.create_room(room_version="11")
    banned = [f"@spam{number}:elsewhere.test" for number in range(520)]
    answers = await asyncio.gather(
        *(alice.in_room("ban", old, user_id=user_id) for user_id in banned)
    )
    assert {answer.status for answer in answers} == {200}

    new = await upgrade(alice, old, "12")

    state = await house.state(new)
    assert all(state["m.room.member", one].membership == "ban" for one in banned)
    assert ("m.room.power_levels", "") in state


async def test_a_space_keeps_its_children(house: House, alice: User) -> None:
    old = await alice.create_room(creation_content={"type": "m.space"}, room_version="11")
    child = {"via": ["xylem.test"], "order": "a", "suggested": True}
    await alice.set_state(old, "m.space.child", child, "!child:xylem.test")
    await alice.set_state(old, "m.space.child", {}, "!removed:xylem.test")

    new = await upgrade(alice, old, "12")

    assert await house.content(new, "m.space.child", "!child:xylem.test") == child
    assert await house.content(new, "m.space.child", "!removed:xylem.test") is None


async def test_all_that_rooms_are_recommended_to_take_over_goes_over(
    house: House, alice: User
) -> None:
    state: dict[str, dict[str, Any]] = {
        "m.room.server_acl": {"allow": ["*"], "deny": ["evil.test"]},
        "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
        "m.room.avatar": {"url": "mxc://xylem.test/a"},
        "m.room.guest_access": {"guest_access": "forbidden"},
        "m.room.history_visibility": {"history_visibility": "joined"},
    }
    initial = [{"type": kind, "content": content} for kind, content in state.items()]
    old = await alice.create_room(initial_state=initial)

    new = await upgrade(alice, old, "11")

    for kind, content in state.items():
        assert await house.content(new, kind) == content


@pytest.mark.parametrize(
    ("rule", "versions", "becomes"),
    [
        ("knock_restricted", ("12", "11"), "knock_restricted"),
        ("knock_restricted", ("10", "9"), "restricted"),
        ("knock_restricted", ("10", "7"), "knock"),
        ("knock_restricted", ("10", "6"), "invite"),
        ("restricted", ("8", "7"), "invite"),
        ("knock", ("7", "6"), "invite"),
    ],
)
async def test_join_rules_become_such_as_the_version_knows(
    house: House, alice: User, rule: str, versions: tuple[str, str], becomes: str
) -> None:
    content = {"join_rule": rule, "allow": []}
    old = await alice.create_room(
        room_version=versions[0], initial_state=[{"type": "m.room.join_rules", "content": content}]
    )

    new = await upgrade(alice, old, versions[1])

    assert (await house.content(new, "m.room.join_rules"))["join_rule"] == becomes


async def test_what_a_stricter_version_cannot_hold_stays_behind(house: House, alice: User) -> None:
    old = await alice.create_room(
        room_version="5",
        name="Pub",
        initial_state=[{"type": "m.room.avatar", "content": {"url": "mxc://a/b", "info": 0.5}}],
        power_level_content_override={"ban": 2**60},
    )

    new = await upgrade(alice, old, "6")

    assert await house.content(new, "m.room.name") == {"name": "Pub"}
    assert await house.content(new, "m.room.avatar") is None
    assert (await house.content(new, "m.room.power_levels"))["ban"] == 2**53 - 1


async def test_the_old_room_gives_up_the_aliases_that_move(house: House, alice: User) -> None:
    old = await alice.create_room(room_version="11", room_alias_name="pub")
    path = f"/directory/room/{quote('#bar:xylem.test')}"
    await alice.put(path, {"room_id": old})
    both = {"alias": "#pub:xylem.test", "alt_aliases": ["#bar:xylem.test"], "org.example": 1}
    assert (await alice.set_state(old, "m.room.canonical_alias", both)).status == 200

    new = await upgrade(alice, old, "12")

    assert await house.content(new, "m.room.canonical_alias") == {
        "alias": "#pub:xylem.test",
        "alt_aliases": ["#bar:xylem.test"],
    }
    assert await house.content(old, "m.room.canonical_alias") == {
        "alt_aliases": [],
        "org.example": 1,
    }


async def event_ids(house: House, room_id: str) -> list[str]:
    """Return the IDs of all events of a room."""
    return [event.event_id for event in await house.history(room_id)]


@pytest.mark.parametrize("after", ["11", "12"])
async def test_an_upgrade_again_gives_the_same_room(house: House, alice: User, after: str) -> None:
    old = await alice.create_room(room_version="10", room_alias_name="pub")

    first, second = await asyncio.gather(*(upgrade(alice, old, after) for _ in range(2)))
    before = [await event_ids(house, room_id) for room_id in (old, first)]
    third = await upgrade(alice, old, after)

    assert first == second == third
    assert [await event_ids(house, room_id) for room_id in (old, first)] == before


@pytest.mark.parametrize("after", ["11", "12"])
@pytest.mark.parametrize("who", ["one user", "two users"])
async def test_replicas_that_upgrade_at_once_agree_on_one_room(
    tmp_path: Path, after: str, who: str
) -> None:
    async with running_house(tmp_path, Options(replicas=2)) as house:
        alice, bob = await house.user("alice"), await house.user("bob")
        users = [alice, alice if who == "one user" else bob]
        levels = {"users": {alice.user_id: 100, bob.user_id: 100}}
        old = await alice.create_room(
            preset="public_chat",
            room_version="10",
            room_alias_name="pub",
            power_level_content_override=levels,
        )
        assert (await bob.join(old)).status == 200
        path = f"{V3}/rooms/{quote(old)}/upgrade"

        answers = await asyncio.gather(
            *(
                user.replicas[number].post(path, {"new_version": after})
                for number, user in enumerate(users)
            )
        )

        [new] = {answer.json["replacement_room"] for answer in answers}
        tombstones = [one for one in await house.history(old) if one.type == "m.room.tombstone"]
        assert [one.content["replacement_room"] for one in tombstones] == [new]
        directory = await alice.get(f"/directory/room/{quote('#pub:xylem.test')}")
        assert directory.json["room_id"] == new
        for user in users:
            joined = await house.rooms.queries.query_rooms_of_user(
                user_id=user.user_id, memberships=["join"]
            )
            assert {one.room_id for one in joined} <= {old, new}


@pytest.mark.parametrize("after", ["11", "12"])
async def test_an_upgrade_that_broke_off_goes_on_with_the_room_that_it_began(
    house: House, alice: User, bob: User, after: str
) -> None:
    old = await alice.create_room(
        preset="public_chat", room_version="10", name="Pub", room_alias_name="pub"
    )
    await alice.in_room("ban", old, user_id=bob.user_id)
    begun = await alice.create_room(
        room_version=after, creation_content={"predecessor": {"room_id": old}}
    )
    other = await alice.create_room(room_version="9", creation_content={"predecessor": old})

    new = await upgrade(alice, old, after)

    assert new == begun != other
    assert (await house.content(old, "m.room.tombstone"))["replacement_room"] == begun
    assert await house.content(new, "m.room.name") == {"name": "Pub"}
    assert await house.membership(new, bob) == "ban"


async def test_a_room_without_power_levels_is_quieter_after_its_upgrade(
    house: House, alice: User
) -> None:
    old = await alice.create_room(room_version="11")
    levels = (await house.state(old))["m.room.power_levels", ""]
    assert (await alice.redact(old, levels.event_id)).status == 200

    new = await upgrade(alice, old, "12")

    assert (await house.content(old, "m.room.power_levels"))["events_default"] == 50
    assert (await house.content(new, "m.room.power_levels"))["users"] == {}
