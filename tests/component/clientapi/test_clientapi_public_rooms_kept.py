"""The directory of public rooms costs what has changed since it was asked for last."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from base.limits import Rate
from tests.component.clientapi.clientapi_server import V3, House, User, running_house, with_settings
from tests.component.heard_statements import heard_statements


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Give a list that every statement is put into that a database is asked meanwhile."""
    statements: list[str] = []

    with heard_statements(statements.append):
        yield statements


async def directory(house: House) -> dict[str, dict[str, Any]]:
    answer = await house.client.get(f"{V3}/publicRooms")
    return {room["room_id"]: room for room in answer.json["chunk"]}


async def test_the_directory_is_always_as_its_rooms_are(
    house: House, alice: User, bob: User
) -> None:
    first = await alice.create_room(visibility="public", name="First")
    second = await alice.create_room(visibility="public", name="Second", topic="Old")
    before = await directory(house)

    topic = await alice.put(f"/rooms/{second}/state/m.room.topic", {"topic": "New"})
    await bob.join(first)
    changed = await directory(house)
    await alice.put(f"/rooms/{second}/redact/{topic.json['event_id']}/1", {})
    await bob.in_room("leave", first)
    redacted = await directory(house)
    await alice.put(f"/directory/list/room/{second}", {"visibility": "private"})

    assert before[second]["topic"] == "Old"
    assert changed[second]["topic"] == "New"
    assert "topic" not in redacted[second]
    members = [found[first]["num_joined_members"] for found in (before, changed, redacted)]
    assert members == [1, 2, 1]
    assert list(await directory(house)) == [first]


async def test_rooms_that_have_not_changed_are_not_read_again(house: House, alice: User) -> None:
    rooms = [await alice.create_room(visibility="public", name=str(one)) for one in range(10)]
    await directory(house)

    with counted_statements() as unchanged:
        again = await directory(house)
    await alice.put(f"/rooms/{rooms[0]}/send/m.room.message/1", {"msgtype": "m.text", "body": "x"})
    with counted_statements() as one_has_news:
        await directory(house)

    assert set(again) == set(rooms)
    assert len(reads(unchanged)) == 1
    assert len(reads(one_has_news)) == 2


async def test_however_many_ask_at_once_rooms_are_looked_at_for_all_of_them(
    house: House, alice: User
) -> None:
    room_id = await alice.create_room(visibility="public", name="Room")

    with counted_statements() as statements:
        answers = await asyncio.gather(*(directory(house) for _ in range(40)))

    assert all(list(answer) == [room_id] for answer in answers)
    listings = [one for one in reads(statements) if "is_published" in one]
    assert len(listings) < 10


def reads(statements: list[str]) -> list[str]:
    return [one for one in statements if one.startswith("SELECT")]


async def test_who_asks_too_often_without_a_token_has_to_wait(tmp_path: Path) -> None:
    rate = Rate(per_second=0.001, burst=2)
    async with running_house(tmp_path, with_settings(directory_rate_per_address=rate)) as house:
        alice = await house.user("alice")

        answers = [await house.client.get(f"{V3}/publicRooms") for _ in range(3)]
        known = await alice.get("/publicRooms")

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert known.status == 200


async def test_a_network_of_ipv6_is_one_stranger(tmp_path: Path) -> None:
    rate = Rate(per_second=0.001, burst=1)
    addresses = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    async with running_house(tmp_path, with_settings(directory_rate_per_address=rate)) as house:
        answers = [await house.client.at(one).get(f"{V3}/publicRooms") for one in addresses]

    assert [answer.status for answer in answers] == [200, 429, 200]
