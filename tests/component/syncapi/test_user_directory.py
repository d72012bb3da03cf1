"""Whom a search of the directory shows: those whom the searcher can meet."""

from typing import Any

import pytest

from base.http.testing import Answer
from logs.records.room_output import EventAdded
from matrix.identifiers import UserID
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room

DAVE = UserID("@dave:xylem.test")


async def search(house: House, user: str, term: str = "somebody", **fields: Any) -> Answer:
    return await house.post(user, "user_directory/search", {"search_term": term, **fields})


async def found(house: House, user: str) -> list[str]:
    """Return who is found of those who have the name."""
    return [one["user_id"] for one in (await search(house, user)).json["results"]]


def closed(room: Room) -> EventAdded:
    return room.state_event("m.room.join_rules", {"join_rule": "invite"})


async def test_those_of_shared_and_of_public_rooms_are_found(house: House) -> None:
    shared, public, private = Room("shared"), Room("public"), Room("private")
    await house.put(*shared.created(BOB), closed(shared), *private.created(DAVE), closed(private))
    await house.put(*public.created(CHARLIE))
    house.accounts.named = [ALICE, BOB, CHARLIE, DAVE]

    assert await found(house, BOB) == [ALICE, CHARLIE]
    assert await found(house, DAVE) == [ALICE, CHARLIE]
    await house.put(shared.member(BOB, "leave"))
    assert await found(house, ALICE) == [CHARLIE, DAVE]


async def test_those_of_rooms_that_anybody_reads_are_found(house: House) -> None:
    room = Room()
    await house.put(*room.created(), closed(room))
    house.accounts.named = [ALICE]
    assert await found(house, BOB) == []

    await house.put(room.hides("world_readable"))

    assert await found(house, BOB) == [ALICE]


async def test_an_operator_may_show_all_users_to_all(house: House) -> None:
    house.accounts.named, house.accounts.finds_all = [ALICE, BOB, CHARLIE], True

    assert await found(house, ALICE) == [BOB, CHARLIE]


async def test_the_list_has_an_end_and_goes_past_those_who_are_not_shown(house: House) -> None:
    room = Room()
    members = [UserID(f"@m{number}:xylem.test") for number in range(3)]
    strangers = [UserID(f"@s{number}:xylem.test") for number in range(150)]
    await house.put(*room.created(BOB), *[room.member(one, "join") for one in members])
    house.accounts.named = [*strangers, *members]

    assert await found(house, BOB) == members
    limited = await search(house, BOB, limit=2)
    whole = await search(house, BOB, limit=3)

    assert (len(limited.json["results"]), limited.json["limited"]) == (2, True)
    assert (len(whole.json["results"]), whole.json["limited"]) == (3, False)


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"search_term": 5}, "M_BAD_JSON"),
        ({"search_term": "a", "limit": "10"}, "M_BAD_JSON"),
        ({"search_term": "a", "limit": -1}, "M_INVALID_PARAM"),
        ({"search_term": "a" * 513}, "M_INVALID_PARAM"),
    ],
)
async def test_a_malformed_search_is_refused(
    house: House, body: dict[str, Any], errcode: str
) -> None:
    answer = await house.post(ALICE, "user_directory/search", body)

    assert (answer.status, answer.errcode) == (400, errcode)
