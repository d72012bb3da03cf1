"""What is in the log when a request comes is in its answer, whoever projects it."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from logs.records.receipts import FullyReadMoved, ReceiptMoved
from tests.component.syncapi.replicas import two_replicas
from tests.component.syncapi.story import ALICE, BOB, House, Room, bodies, running_house

Houses = Sequence[House]


@pytest.fixture(
    params=["sqlite", *(pytest.param(one, marks=pytest.mark.postgres) for one in ("one", "two"))]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, bool]:
    """Return a database, and whether two processes share it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sync.db", False
    return request.getfixturevalue("postgres_url"), request.param == "two"


@pytest.fixture
async def houses(place: tuple[str, bool], tmp_path: Path) -> AsyncIterator[Houses]:
    """Client sync over SQLite, over PostgreSQL, and as two processes."""
    url, are_two = place
    if are_two:
        async with two_replicas(tmp_path, url) as replicas:
            yield replicas
    else:
        async with running_house(tmp_path, url) as house:
            yield [house]


async def told(house: House, room: Room, since: str | None) -> list[str]:
    """Return what one /sync tells of a room and of its user: texts, types, receipts, typists."""
    answer = (await house.get(BOB, "sync", since=since)).json
    told = [event["type"] for event in answer["account_data"]["events"]]
    part = answer["rooms"].get("join", {}).get(room.room_id)
    if part is None:
        return told
    told += bodies(part["timeline"]["events"])
    told += [event["type"] for event in part["account_data"]["events"]]
    for event in part["ephemeral"]["events"]:
        told += event["content"].get("user_ids", event["content"])
    return told


@pytest.mark.parametrize("is_initial", [True, False])
async def test_a_sync_tells_all_that_was_in_the_log_when_it_came(
    houses: Houses, *, is_initial: bool
) -> None:
    room = Room()
    await houses[0].put(*room.created(BOB))
    since = (await houses[0].get(BOB, "sync")).json["next_batch"]
    for number in range(10):
        text, name = f"message {number}", f"org.example.{number}"
        await houses[0].put(room.message(text))
        await houses[0].put_account_data(BOB, name, {})
        await houses[0].put_account_data(BOB, f"{name}.room", {}, room.room_id)
        await houses[0].move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", f"${number}", 1))
        await houses[0].let_type(room.room_id, *[ALICE, BOB][: 1 + number % 2])

        for house in houses:
            heard = await told(house, room, None if is_initial else since)

            assert {text, name, f"{name}.room", f"${number}", ALICE} <= {*heard}, heard
            assert (BOB in heard) == bool(number % 2)


async def test_a_fully_read_marker_is_told_at_once(houses: Houses) -> None:
    room = Room()
    await houses[0].put(*room.created(BOB))
    for number in range(10):
        await houses[0].move_receipts(FullyReadMoved(room.room_id, BOB, f"${number}"))

        for house in houses:
            answer = (await house.get(BOB, "sync")).json
            [marker] = answer["rooms"]["join"][room.room_id]["account_data"]["events"]
            assert marker["content"] == {"event_id": f"${number}"}


async def test_history_hides_those_who_are_ignored_from_the_next_request_on(houses: Houses) -> None:
    room = Room()
    await houses[0].put(*room.created(BOB), room.message("from alice"))
    for number in range(10):
        ignored: dict[str, object] = {ALICE: {}} if number % 2 else {}
        await houses[0].put_account_data(BOB, "m.ignored_user_list", {"ignored_users": ignored})

        for house in houses:
            page = (await house.room(BOB, room, "messages", dir="b")).json["chunk"]
            assert ("from alice" in bodies(page)) == (not ignored)
