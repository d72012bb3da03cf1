"""Upgrading rooms: what the new room takes over, and what happens to the old one."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.component.clientapi.clientapi_server import V3, House, User


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
    assert levels["users"] == ({} if after == "12" else {alice.user_id: 100})
    assert (await house.content(old, "m.room.tombstone"))["replacement_room"] == new
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
    assert levels["events"]["m.room.tombstone"] == 150


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
