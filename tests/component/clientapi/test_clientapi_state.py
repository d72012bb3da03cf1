"""Setting state: keys, checks by type, canonical aliases."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.component.clientapi.clientapi_server import V3, House, User

FORBIDDEN = (403, "M_FORBIDDEN")


async def test_state_is_set_under_its_key(house: House, alice: User, room_id: str) -> None:
    named = await alice.set_state(room_id, "m.room.name", {"name": "Pub"})
    keyed = await alice.set_state(room_id, "org.example", {"a": 1}, "key/with slash")

    state = await house.state(room_id)
    assert state["m.room.name", ""].event_id == named.json["event_id"]
    assert state["org.example", "key/with slash"].event_id == keyed.json["event_id"]


@pytest.mark.parametrize("version", ["r0", "v3"])
@pytest.mark.parametrize("end", ["", "/"])
async def test_an_empty_key_may_be_left_out(
    house: House, alice: User, room_id: str, version: str, end: str
) -> None:
    path = f"/_matrix/client/{version}/rooms/{quote(room_id)}/state/m.room.topic{end}"

    answer = await alice.client.put(path, {"topic": "beer"})

    assert answer.status == 200
    assert await house.content(room_id, "m.room.topic") == {"topic": "beer"}


async def test_the_same_state_again_is_the_same_event(
    house: House, alice: User, room_id: str
) -> None:
    first = await alice.set_state(room_id, "org.example", {"a": True})

    same = await alice.set_state(room_id, "org.example", {"a": True})
    other = await alice.set_state(room_id, "org.example", {"a": 1})

    assert same.json == first.json
    assert other.json != first.json
    assert await house.content(room_id, "org.example") == {"a": 1}


async def test_state_of_one_who_has_left_is_not_confirmed_to_them(
    alice: User, bob: User, room_id: str
) -> None:
    await alice.set_state(room_id, "m.room.power_levels", {"events": {"org.example": 0}})
    assert (await bob.set_state(room_id, "org.example", {"a": 1})).status == 200
    await bob.in_room("leave", room_id)

    refused = await bob.set_state(room_id, "org.example", {"a": 1})

    assert (refused.status, refused.errcode) == FORBIDDEN


async def test_state_set_at_once_ends_with_one_of_the_values(
    house: House, alice: User, room_id: str
) -> None:
    answers = await asyncio.gather(
        *(alice.set_state(room_id, "m.room.name", {"name": f"{number}"}) for number in range(10))
    )

    assert {answer.status for answer in answers} == {200}
    assert (await house.content(room_id, "m.room.name"))["name"] in set("0123456789")


async def test_state_needs_its_level(alice: User, bob: User, charlie: User, room_id: str) -> None:
    powerless = await bob.set_state(room_id, "m.room.name", {"name": "Bob's"})
    outside = await charlie.set_state(room_id, "m.room.name", {"name": "Charlie's"})
    anothers = await alice.set_state(room_id, "org.example", {}, bob.user_id)
    unknown = await alice.set_state("!nowhere:xylem.test", "m.room.name", {})

    assert (powerless.status, powerless.errcode) == FORBIDDEN
    assert (outside.status, outside.errcode) == FORBIDDEN
    assert (anothers.status, anothers.errcode) == FORBIDDEN
    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")


async def test_a_room_is_not_created_twice(alice: User, room_id: str) -> None:
    answer = await alice.set_state(room_id, "m.room.create", {"room_version": "12"})
    keyed = await alice.set_state(room_id, "m.room.create", {"room_version": "12"}, "key")

    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")
    assert (keyed.status, keyed.errcode) == (400, "M_INVALID_PARAM")


async def test_keys_and_types_have_a_length(alice: User, room_id: str) -> None:
    long_key = await alice.set_state(room_id, "org.example", {}, "k" * 256)
    long_key_in_bytes = await alice.set_state(room_id, "org.example", {}, "ä" * 128)
    long_type = await alice.set_state(room_id, "t" * 256, {})

    for answer in (long_key, long_key_in_bytes, long_type):
        assert (answer.status, answer.errcode) == (413, "M_TOO_LARGE")


@pytest.mark.parametrize(
    "content",
    [
        {"users": {"@bob:xylem.test": 101}, "ban": "50"},
        {"users": {"bob": 50}},
        {"users": {"@alice:xylem.test": 100}},
        {"events": 5},
    ],
)
async def test_power_levels_that_nobody_can_set_are_a_bad_request(
    alice: User, bob: User, room_id: str, content: dict[str, Any]
) -> None:
    answer = await alice.set_state(room_id, "m.room.power_levels", content)
    powerless = await bob.set_state(room_id, "m.room.power_levels", content)

    assert (answer.status, answer.errcode) == (400, "M_BAD_JSON")
    assert (powerless.status, powerless.errcode) == FORBIDDEN


async def test_nobody_raises_another_above_themselves(alice: User, bob: User) -> None:
    room_id = await alice.create_room(preset="public_chat", room_version="11")
    await bob.join(room_id)
    users = {alice.user_id: 100, bob.user_id: 101}

    answer = await alice.set_state(room_id, "m.room.power_levels", {"users": users})

    assert (answer.status, answer.errcode) == FORBIDDEN


async def test_content_is_an_object_of_canonical_json(alice: User, room_id: str) -> None:
    path = f"{V3}/rooms/{quote(room_id)}/state/org.example"

    array = await alice.client.put(path, body=b"[]")
    broken = await alice.client.put(path, body=b"{")
    fraction = await alice.client.put(path, body=b'{"a": 0.5}')

    assert (array.status, array.errcode) == (400, "M_BAD_JSON")
    assert (broken.status, broken.errcode) == (400, "M_NOT_JSON")
    assert (fraction.status, fraction.errcode) == (400, "M_BAD_JSON")


async def test_a_canonical_alias_points_to_its_room(
    house: House, alice: User, room_id: str
) -> None:
    for name in ("one", "two"):
        path = f"/directory/room/{quote(f'#{name}:xylem.test')}"
        assert (await alice.put(path, {"room_id": room_id})).status == 200
    content = {"alias": "#one:xylem.test", "alt_aliases": ["#two:xylem.test"]}

    answer = await alice.set_state(room_id, "m.room.canonical_alias", content)

    assert answer.status == 200
    assert await house.content(room_id, "m.room.canonical_alias") == content


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        ({"alias": "#nowhere:xylem.test"}, (400, "M_BAD_ALIAS")),
        ({"alt_aliases": ["#nowhere:xylem.test"]}, (400, "M_BAD_ALIAS")),
        ({"alt_aliases": ["#other:xylem.test"]}, (400, "M_BAD_ALIAS")),
        ({"alt_aliases": ["#nowhere:elsewhere.test"]}, (400, "M_BAD_ALIAS")),
        ({"alias": "nowhere"}, (400, "M_INVALID_PARAM")),
        ({"alt_aliases": ["#nowhere"]}, (400, "M_INVALID_PARAM")),
        ({"alias": 5}, (400, "M_BAD_JSON")),
        ({"alt_aliases": [5]}, (400, "M_BAD_JSON")),
        ({"alt_aliases": "#nowhere:xylem.test"}, (400, "M_BAD_JSON")),
    ],
)
async def test_an_alias_that_points_elsewhere_is_no_canonical_one(
    alice: User, room_id: str, content: dict[str, Any], refusal: tuple[int, str]
) -> None:
    await alice.create_room(room_alias_name="other")

    answer = await alice.set_state(room_id, "m.room.canonical_alias", content)

    assert (answer.status, answer.errcode) == refusal


async def test_an_alias_that_is_canonical_already_is_not_checked_again(
    house: House, alice: User
) -> None:
    room_id = await alice.create_room(room_alias_name="old")
    await house.rooms.directory.perform_delete_alias(alias="#old:xylem.test")  # type: ignore[arg-type]

    kept = await alice.set_state(
        room_id, "m.room.canonical_alias", {"alias": "#old:xylem.test", "org.example": 1}
    )
    removed = await alice.set_state(room_id, "m.room.canonical_alias", {})

    assert (kept.status, removed.status) == (200, 200)


async def test_a_room_is_not_replaced_by_itself(alice: User, room_id: str) -> None:
    content = {"body": "moved", "replacement_room": room_id}

    answer = await alice.set_state(room_id, "m.room.tombstone", content)

    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")
