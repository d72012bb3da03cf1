"""Aliases, and the directory of public rooms."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from components.roomserver.settings import RoomServerSettings
from tests.component.clientapi.clientapi_server import V3, House, Options, User, running_house

PUB = f"/directory/room/{quote('#pub:xylem.test')}"


async def visibility_of(house: House, room_id: str) -> Any:
    """Return what the directory says of a room."""
    return (await house.client.get(f"{V3}/directory/list/room/{quote(room_id)}")).json


# Aliases


async def test_an_alias_is_made_resolved_and_removed(house: House, bob: User, room_id: str) -> None:
    made = await bob.put(PUB, {"room_id": room_id})
    resolved = await house.client.get(V3 + PUB)
    removed = await bob.delete(PUB)
    gone = await house.client.get(V3 + PUB)

    assert (made.status, made.json) == (200, {})
    assert resolved.json == {"room_id": room_id, "servers": ["xylem.test"]}
    assert (removed.status, removed.json) == (200, {})
    assert (gone.status, gone.errcode) == (404, "M_NOT_FOUND")


async def test_an_alias_points_to_one_room(alice: User, bob: User, room_id: str) -> None:
    await bob.put(PUB, {"room_id": room_id})
    other = await alice.create_room()

    second = await alice.put(PUB, {"room_id": other})

    assert (second.status, second.errcode) == (409, "M_UNKNOWN")


async def test_who_has_made_many_aliases_makes_no_more(tmp_path: Path) -> None:
    options = Options(rooms=RoomServerSettings(max_aliases_per_user=2))
    async with running_house(tmp_path, options) as house:
        alice, bob = await house.user("alice"), await house.user("bob")
        room_id = await alice.create_room(room_alias_name="one", invite=[bob.user_id])
        await bob.join(room_id)
        second = await alice.put(PUB, {"room_id": room_id})
        third = f"/directory/room/{quote('#three:xylem.test')}"

        refused = await alice.put(third, {"room_id": room_id})
        at_creation = await alice.post("/createRoom", {"room_alias_name": "three"})
        of_bob = await bob.put(third, {"room_id": room_id})

    assert second.status == 200
    assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")
    assert (at_creation.status, at_creation.errcode) == (403, "M_FORBIDDEN")
    assert of_bob.status == 200


async def test_an_alias_is_made_by_members_on_their_server(
    alice: User, charlie: User, room_id: str
) -> None:
    outside = await charlie.put(PUB, {"room_id": room_id})
    unknown = await alice.put(PUB, {"room_id": "!nowhere:xylem.test"})
    roomless = await alice.put(PUB, {})
    remote = await alice.put(
        f"/directory/room/{quote('#pub:elsewhere.test')}", {"room_id": room_id}
    )
    spaced = await alice.put(f"/directory/room/{quote('#p b:xylem.test')}", {"room_id": room_id})
    malformed = await alice.put("/directory/room/pub", {"room_id": room_id})

    assert (outside.status, outside.errcode) == (403, "M_FORBIDDEN")
    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")
    assert (roomless.status, roomless.errcode) == (400, "M_MISSING_PARAM")
    for answer in (remote, spaced, malformed):
        assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


async def test_who_may_publish_aliases_removes_those_of_others(
    alice: User, bob: User, charlie: User, room_id: str
) -> None:
    await charlie.join(room_id)
    await bob.put(PUB, {"room_id": room_id})

    refused = await charlie.delete(PUB)
    removed = await alice.delete(PUB)
    unknown = await alice.delete(PUB)

    assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")
    assert removed.status == 200
    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")


async def test_an_administrator_removes_any_alias(house: House, alice: User, room_id: str) -> None:
    admin = await house.user("admin", is_admin=True)
    await alice.put(PUB, {"room_id": room_id})

    assert (await admin.delete(PUB)).status == 200


async def test_a_removed_alias_leaves_the_canonical_one(house: House, alice: User) -> None:
    room_id = await alice.create_room(room_alias_name="pub")
    other = f"/directory/room/{quote('#other:xylem.test')}"
    await alice.put(other, {"room_id": room_id})
    content = {"alias": "#pub:xylem.test", "alt_aliases": ["#pub:xylem.test", "#other:xylem.test"]}
    await alice.set_state(room_id, "m.room.canonical_alias", content)

    await alice.delete(PUB)

    assert await house.content(room_id, "m.room.canonical_alias") == {
        "alt_aliases": ["#other:xylem.test"]
    }


async def test_an_alias_goes_also_when_the_event_has_to_stay(
    house: House, alice: User, bob: User
) -> None:
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    await bob.put(PUB, {"room_id": room_id})
    await alice.set_state(room_id, "m.room.canonical_alias", {"alias": "#pub:xylem.test"})

    removed = await bob.delete(PUB)

    assert removed.status == 200
    assert (await house.client.get(V3 + PUB)).status == 404
    assert (await house.content(room_id, "m.room.canonical_alias"))["alias"] == "#pub:xylem.test"


async def test_members_see_the_aliases_of_a_room(
    alice: User, bob: User, charlie: User, room_id: str
) -> None:
    await alice.put(PUB, {"room_id": room_id})
    path = f"/rooms/{quote(room_id)}/aliases"

    inside = await bob.get(path)
    outside = await charlie.get(path)
    await alice.set_state(
        room_id, "m.room.history_visibility", {"history_visibility": "world_readable"}
    )
    anybody = await charlie.get(path)

    assert inside.json == {"aliases": ["#pub:xylem.test"]}
    assert (outside.status, outside.errcode) == (403, "M_FORBIDDEN")
    assert anybody.json == inside.json


# Published rooms


async def test_a_room_is_published_and_withdrawn(house: House, alice: User, room_id: str) -> None:
    path = f"/directory/list/room/{quote(room_id)}"
    before = await visibility_of(house, room_id)

    published = await alice.put(path, {"visibility": "public"})
    shown = await visibility_of(house, room_id)
    await alice.put(path, {"visibility": "private"})
    hidden = await visibility_of(house, room_id)
    await alice.put(path, {})

    assert published.status == 200
    assert before == hidden == {"visibility": "private"}
    assert shown == await visibility_of(house, room_id) == {"visibility": "public"}


async def test_publishing_needs_the_level_of_the_canonical_alias(
    house: House, alice: User, bob: User, charlie: User, room_id: str
) -> None:
    path = f"/directory/list/room/{quote(room_id)}"
    unknown_path = f"/directory/list/room/{quote('!nowhere:xylem.test')}"

    powerless = await bob.put(path, {})
    outside = await charlie.put(path, {})
    wrong = await alice.put(path, {"visibility": "secret"})
    unknown = await alice.put(unknown_path, {})
    asked = await alice.get(unknown_path)
    admin = await house.user("admin", is_admin=True)

    assert (powerless.status, powerless.errcode) == (403, "M_FORBIDDEN")
    assert (outside.status, outside.errcode) == (403, "M_FORBIDDEN")
    assert (wrong.status, wrong.errcode) == (400, "M_INVALID_PARAM")
    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")
    assert (asked.status, asked.errcode) == (404, "M_NOT_FOUND")
    assert (await admin.put(path, {})).status == 200


async def published(alice: User, bob: User) -> list[str]:
    """Publish four rooms and return them in the directory's order."""
    busy = await alice.create_room(visibility="public", name="Busy", topic="All about BEER")
    await bob.join(busy)
    space = await alice.create_room(visibility="public", creation_content={"type": "m.space"})
    beer = await alice.create_room(visibility="public", room_alias_name="beer")
    plain = await alice.create_room(visibility="public", preset="private_chat")
    await alice.create_room(name="Not published")
    return [busy, *sorted([space, beer, plain])]


async def test_the_directory_shows_published_rooms_most_members_first(
    house: House, alice: User, bob: User
) -> None:
    rooms = await published(alice, bob)

    answer = await house.client.get(f"{V3}/publicRooms")

    assert [room["room_id"] for room in answer.json["chunk"]] == rooms
    assert answer.json["total_room_count_estimate"] == 4
    assert "next_batch" not in answer.json
    assert "prev_batch" not in answer.json
    assert answer.json["chunk"][0] == {
        "room_id": rooms[0],
        "num_joined_members": 2,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "public",
        "name": "Busy",
        "topic": "All about BEER",
    }


async def test_pages_of_the_directory_fit_together_both_ways(
    house: House, alice: User, bob: User
) -> None:
    rooms = await published(alice, bob)
    forward: list[str] = []
    token, back = "", ""

    while True:
        since = f"&since={token}" if token else ""
        page = (await house.client.get(f"{V3}/publicRooms?limit=1{since}")).json
        forward += [room["room_id"] for room in page["chunk"]]
        back = page.get("prev_batch", back)
        if "next_batch" not in page:
            break
        token = page["next_batch"]
    backward = (await house.client.get(f"{V3}/publicRooms?limit=2&since={back}")).json

    assert forward == rooms
    assert [room["room_id"] for room in backward["chunk"]] == rooms[1:3]
    assert "next_batch" in backward


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({"generic_search_term": "beer"}, 2),
        ({"generic_search_term": "BUSY"}, 1),
        ({"generic_search_term": "whisky"}, 0),
        ({"room_types": ["m.space"]}, 1),
        ({"room_types": [None]}, 3),
        ({"room_types": [None, "m.space"]}, 4),
        ({"room_types": []}, 0),
        ({"room_types": ["m.space"], "generic_search_term": "beer"}, 0),
    ],
)
async def test_the_directory_is_searched(
    alice: User, bob: User, filter_: dict[str, Any], found: int
) -> None:
    await published(alice, bob)

    answer = await alice.post("/publicRooms", {"filter": filter_})

    assert answer.status == 200
    assert len(answer.json["chunk"]) == found
    assert answer.json["total_room_count_estimate"] == found


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"since": "nonsense"}, (400, "M_INVALID_PARAM")),
        ({"since": "ä"}, (400, "M_INVALID_PARAM")),
        ({"limit": -1}, (400, "M_INVALID_PARAM")),
        (
            {"include_all_networks": True, "third_party_instance_id": "irc"},
            (400, "M_INVALID_PARAM"),
        ),
        ({"include_all_networks": "yes"}, (400, "M_BAD_JSON")),
        ({"limit": "1"}, (400, "M_BAD_JSON")),
        ({"filter": []}, (400, "M_BAD_JSON")),
        ({"filter": {"room_types": "m.space"}}, (400, "M_BAD_JSON")),
        ({"filter": {"room_types": [5]}}, (400, "M_BAD_JSON")),
        ({"filter": {"generic_search_term": 5}}, (400, "M_BAD_JSON")),
    ],
)
async def test_a_search_that_makes_no_sense_is_refused(
    alice: User, body: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = await alice.post("/publicRooms", body)

    assert (answer.status, answer.errcode) == refusal


async def test_who_may_ask_for_which_directory(house: House, alice: User) -> None:
    anybody = await house.client.post(f"{V3}/publicRooms", {})
    own = await alice.get("/publicRooms?server=xylem.test")
    remote = await alice.get("/publicRooms?server=elsewhere.test")
    network = await alice.post("/publicRooms", {"third_party_instance_id": "irc"})

    assert (anybody.status, anybody.errcode) == (401, "M_MISSING_TOKEN")
    assert own.json == {"chunk": [], "total_room_count_estimate": 0}
    assert (remote.status, remote.errcode) == (404, "M_NOT_FOUND")
    assert network.json["chunk"] == []
