"""Creating rooms: events in the order of the specification, all options, all refusals."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from matrix.room_versions import ROOM_VERSIONS
from tests.component.clientapi.clientapi_server import House, User

PRESETS = {
    "private_chat": ("invite", "shared", "can_join"),
    "trusted_private_chat": ("invite", "shared", "can_join"),
    "public_chat": ("public", "shared", "forbidden"),
}


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_a_room_of_every_version_is_created_and_used(
    house: House, alice: User, bob: User, version: str
) -> None:
    room_id = await alice.create_room(
        room_version=version, preset="private_chat", invite=[bob.user_id], name="Room"
    )

    sent = await alice.send(room_id)
    joined = await bob.join(room_id)
    answered = await bob.send(room_id)

    assert (sent.status, joined.status, answered.status) == (200, 200, 200)
    create = await house.content(room_id, "m.room.create")
    assert create["room_version"] == version
    assert create.get("creator") == (alice.user_id if int(version) <= 10 else None)
    events = await house.history(room_id)
    assert [event.depth for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize("preset", PRESETS)
async def test_a_preset_sets_join_rule_visibility_and_guest_access(
    house: House, alice: User, bob: User, preset: str, version: str
) -> None:
    room_id = await alice.create_room(preset=preset, room_version=version, invite=[bob.user_id])

    state = await house.state(room_id)
    assert (
        state["m.room.join_rules", ""].content["join_rule"],
        state["m.room.history_visibility", ""].content["history_visibility"],
        state["m.room.guest_access", ""].content["guest_access"],
    ) == PRESETS[preset]
    users = state["m.room.power_levels", ""].content["users"]
    creators = state["m.room.create", ""].content.get("additional_creators")
    trusted = preset == "trusted_private_chat"
    if version == "12":
        assert users == {}
        assert creators == ([bob.user_id] if trusted else None)
    else:
        assert users == {alice.user_id: 100, **({bob.user_id: 100} if trusted else {})}
        assert creators is None


async def test_the_events_of_a_new_room_come_in_the_order_of_the_specification(
    house: House, alice: User, bob: User
) -> None:
    room_id = await alice.create_room(
        visibility="public",
        room_alias_name="thepub",
        name="The Grand Duke Pub",
        topic="All about happy hour",
        invite=[bob.user_id],
        is_direct=True,
        initial_state=[
            {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}},
            {"type": "org.example", "state_key": "a", "content": {"b": 1}},
            {
                "type": "m.room.history_visibility",
                "content": {"history_visibility": "world_readable"},
            },
        ],
    )

    events = await house.history(room_id)
    assert [(event.type, event.state_key) for event in events] == [
        ("m.room.create", ""),
        ("m.room.member", alice.user_id),
        ("m.room.power_levels", ""),
        ("m.room.canonical_alias", ""),
        ("m.room.join_rules", ""),
        ("m.room.guest_access", ""),
        ("m.room.encryption", ""),
        ("org.example", "a"),
        ("m.room.history_visibility", ""),
        ("m.room.name", ""),
        ("m.room.topic", ""),
        ("m.room.member", bob.user_id),
    ]
    assert events[-2].content["topic"] == "All about happy hour"
    invite = {"membership": "invite", "is_direct": True, "displayname": "bob"}
    assert events[-1].content == invite
    resolved = await alice.get(f"/directory/room/{quote('#thepub:xylem.test')}")
    assert resolved.json["room_id"] == room_id
    listed = await house.client.get(f"/_matrix/client/v3/directory/list/room/{quote(room_id)}")
    assert listed.json == {"visibility": "public"}


async def test_name_and_topic_take_the_place_of_those_in_the_initial_state(
    house: House, alice: User
) -> None:
    room_id = await alice.create_room(
        name="New",
        topic="New",
        initial_state=[
            {"type": "m.room.name", "content": {"name": "Old"}},
            {"type": "m.room.topic", "content": {"topic": "Old"}},
            {"type": "m.room.topic", "state_key": "other", "content": {"topic": "Kept"}},
        ],
    )

    contents = [event.content for event in await house.history(room_id)]
    assert [one["name"] for one in contents if "name" in one] == ["New"]
    assert [one["topic"] for one in contents if "topic" in one] == ["Kept", "New"]


async def test_visibility_chooses_the_preset_that_is_not_given(house: House, alice: User) -> None:
    public = await alice.create_room(visibility="public")
    private = await alice.create_room()

    assert (await house.content(public, "m.room.join_rules"))["join_rule"] == "public"
    assert (await house.content(private, "m.room.join_rules"))["join_rule"] == "invite"


async def test_creation_content_is_kept_but_for_what_the_server_says(
    house: House, alice: User
) -> None:
    given = {
        "m.federate": False,
        "type": "m.space",
        "creator": "@mallory:xylem.test",
        "room_version": "1",
    }
    room_id = await alice.create_room(creation_content=given)

    content = await house.content(room_id, "m.room.create")
    assert content == {"m.federate": False, "type": "m.space", "room_version": "12"}


async def test_power_levels_are_overridden_on_top(house: House, alice: User, bob: User) -> None:
    override = {"users": {bob.user_id: 50}, "events_default": 10}
    room_id = await alice.create_room(power_level_content_override=override)

    content = await house.content(room_id, "m.room.power_levels")
    assert content["users"] == {bob.user_id: 50}
    assert content["events_default"] == 10
    assert content["state_default"] == 50
    assert content["events"]["m.room.tombstone"] == 150


async def test_the_level_of_upgrades_stays_above_other_state_in_version_12(
    house: House, alice: User
) -> None:
    raised = await alice.create_room(
        power_level_content_override={"state_default": 200, "events": {"m.room.name": 1}}
    )
    chosen = await alice.create_room(
        power_level_content_override={"events": {"m.room.tombstone": 60}}
    )

    levels = await house.content(raised, "m.room.power_levels")
    assert levels["events"] == {"m.room.name": 1, "m.room.tombstone": 201}
    assert (await house.content(chosen, "m.room.power_levels"))["events"] == {
        "m.room.tombstone": 60
    }


async def test_additional_creators_are_joined_by_trusted_invitees(
    house: House, alice: User, bob: User, charlie: User
) -> None:
    room_id = await alice.create_room(
        preset="trusted_private_chat",
        invite=[bob.user_id, charlie.user_id],
        creation_content={"additional_creators": [charlie.user_id, alice.user_id]},
    )

    content = await house.content(room_id, "m.room.create")
    assert content["additional_creators"] == [charlie.user_id, bob.user_id]
    assert await house.membership(room_id, charlie) == "invite"


async def test_member_events_tell_display_name_and_avatar(
    house: House, alice: User, bob: User
) -> None:
    await bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"})
    await bob.put(f"/profile/{bob.user_id}/avatar_url", {"avatar_url": "mxc://xylem.test/bob"})

    room_id = await alice.create_room(invite=[bob.user_id])

    assert await house.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "invite",
        "displayname": "Bob",
        "avatar_url": "mxc://xylem.test/bob",
    }


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"room_version": "nope"}, "M_UNSUPPORTED_ROOM_VERSION"),
        ({"room_version": 12}, "M_BAD_JSON"),
        ({"preset": "nope"}, "M_INVALID_PARAM"),
        ({"visibility": "nope"}, "M_INVALID_PARAM"),
        ({"name": 5}, "M_BAD_JSON"),
        ({"invite": "@bob:xylem.test"}, "M_BAD_JSON"),
        ({"invite": ["bob"]}, "M_INVALID_PARAM"),
        ({"invite": ["@alice:xylem.test"]}, "M_INVALID_PARAM"),
        ({"room_alias_name": "#a:b"}, "M_INVALID_PARAM"),
        ({"room_alias_name": "a b"}, "M_INVALID_PARAM"),
        ({"room_alias_name": "a" * 300}, "M_INVALID_PARAM"),
        ({"initial_state": [{"type": "m.room.name"}]}, "M_MISSING_PARAM"),
        ({"initial_state": [{"content": {}}]}, "M_MISSING_PARAM"),
        ({"initial_state": [{"type": "m.room.create", "content": {}}]}, "M_INVALID_ROOM_STATE"),
        ({"initial_state": [{"type": "m.room.member", "content": {}}]}, "M_INVALID_ROOM_STATE"),
        (
            {"initial_state": [{"type": "m.room.redaction", "content": {"redacts": "$a"}}]},
            "M_INVALID_ROOM_STATE",
        ),
        ({"creation_content": {"additional_creators": "bob"}}, "M_BAD_JSON"),
        ({"creation_content": {"additional_creators": ["bob"]}}, "M_INVALID_PARAM"),
        ({"creation_content": {"additional_creators": ["@bob:dom$ain$.com"]}}, "M_INVALID_PARAM"),
        ({"creation_content": {"additional_creators": ["@bob:xylem.test", 42]}}, "M_BAD_JSON"),
        ({"creation_content": {"float": 1.5}}, "M_BAD_JSON"),
        (
            {"power_level_content_override": {"users": {"@alice:xylem.test": 100}}},
            "M_INVALID_ROOM_STATE",
        ),
        (
            {"room_version": "11", "power_level_content_override": {"users": {}}, "name": "no"},
            "M_INVALID_ROOM_STATE",
        ),
        ({"power_level_content_override": {"ban": "50"}}, "M_INVALID_ROOM_STATE"),
    ],
)
async def test_a_request_that_no_room_can_follow_is_refused(
    house: House, alice: User, body: dict[str, Any], errcode: str
) -> None:
    answer = await alice.post("/createRoom", body)

    assert (answer.status, answer.errcode) == (400, errcode)
    joined = await house.rooms.queries.query_rooms_of_user(
        user_id=alice.user_id, memberships=["join"]
    )
    assert joined == []


async def test_inviting_who_cannot_come_makes_no_room(alice: User) -> None:
    unknown = await alice.post("/createRoom", {"invite": ["@nobody:xylem.test"]})
    remote = await alice.post("/createRoom", {"invite": ["@bob:elsewhere.test"]})
    by_mail = await alice.post(
        "/createRoom", {"invite_3pid": [{"medium": "email", "address": "bob@example.org"}]}
    )

    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")
    assert (remote.status, remote.errcode) == (403, "M_FORBIDDEN")
    assert (by_mail.status, by_mail.errcode) == (403, "M_THREEPID_DENIED")


async def test_an_alias_is_taken_once(alice: User, bob: User) -> None:
    await alice.create_room(room_alias_name="thepub")

    second = await bob.post("/createRoom", {"room_alias_name": "thepub"})

    assert (second.status, second.errcode) == (400, "M_ROOM_IN_USE")


async def test_the_alias_of_a_room_that_could_not_be_made_is_free_again(alice: User) -> None:
    override = {"events_default": 0, "users": {"@alice:xylem.test": 5}}
    failed = await alice.post(
        "/createRoom", {"room_alias_name": "thepub", "power_level_content_override": override}
    )

    again = await alice.post("/createRoom", {"room_alias_name": "thepub"})

    assert (failed.errcode, again.status) == ("M_INVALID_ROOM_STATE", 200)


async def test_rooms_that_are_created_at_once_are_different_rooms(
    house: House, alice: User
) -> None:
    rooms = await asyncio.gather(*(alice.create_room() for _ in range(10)))

    assert len(set(rooms)) == 10
    for room_id in rooms:
        assert len(await house.history(room_id)) == 6


async def test_a_guest_creates_no_room(house: House) -> None:
    guest = await house.guest()

    answer = await guest.post("/createRoom")

    assert (answer.status, answer.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_who_has_no_token_creates_no_room(house: House) -> None:
    answer = await house.client.post("/_matrix/client/v3/createRoom", {})

    assert (answer.status, answer.errcode) == (401, "M_MISSING_TOKEN")
