"""The threads of a room: their order, their pages, and whom they are for."""

from pathlib import Path
from typing import Any

import pytest

from components.syncapi.settings import SyncApiSettings
from tests.component.syncapi.relating import child, reply, threads
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, bodies, running_house


async def all_pages(house: House, token: str, room: Room, **query: Any) -> list[str]:
    """Return the bodies of the roots of all pages."""
    found: list[str] = []
    place = None
    while True:
        page = await threads(house, token, room, from_=place, **query)
        found += bodies(page["chunk"])
        if "next_batch" not in page:
            return found
        place = page["next_batch"]


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_threads_come_by_their_last_events_in_pages_that_join(
    house: House, limit: int
) -> None:
    room = Room()
    records = room.created(BOB)
    roots = [room.message(str(number)) for number in range(5)]
    records += [*roots, room.message("no thread")]
    records += [reply(room, root, "a") for root in roots]
    records += [reply(room, roots[1], "b"), reply(room, roots[3], "b")]
    await house.put(*records)

    assert await all_pages(house, BOB, room, limit=limit) == ["3", "1", "4", "2", "0"]


async def test_only_threads_that_one_took_part_in_are_given_if_so_asked(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    mine, wrote, other = room.message("mine", sender=BOB), room.message("wrote"), room.message("x")
    await house.put(
        *records,
        mine,
        wrote,
        other,
        reply(room, mine, "a"),
        reply(room, wrote, "a", sender=BOB),
        reply(room, other, "a"),
    )

    assert await all_pages(house, BOB, room, include="participated") == ["wrote", "mine"]
    assert await all_pages(house, BOB, room, include="all") == ["x", "wrote", "mine"]
    assert await all_pages(house, BOB, room, include="participated", limit=1) == ["wrote", "mine"]


async def test_a_search_for_ones_own_threads_ends_in_time_and_goes_on(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    settings = SyncApiSettings(max_scanned_events=20)
    async with running_house(tmp_path, database_url, settings) as house:
        records = room.created(BOB)
        mine = room.message("mine", sender=BOB)
        roots = [mine, *(room.message("x") for _ in range(60))]
        await house.put(*records, *roots, *(reply(room, root, "a") for root in roots))

        first = await threads(house, BOB, room, include="participated", limit=1)
        assert (first["chunk"], "next_batch" in first) == ([], True)
        assert await all_pages(house, BOB, room, include="participated") == ["mine"]


async def test_the_root_of_an_ignored_user_comes_redacted(house: House) -> None:
    room = Room()
    records = room.created(BOB, CHARLIE)
    root, silent = room.message("root", sender=CHARLIE), room.message("silent")
    await house.put(
        *records,
        root,
        silent,
        reply(room, root, "a"),
        reply(room, root, "b", sender=CHARLIE),
        reply(room, silent, "c", sender=CHARLIE),
    )
    await house.put_account_data(BOB, "m.ignored_user_list", {"ignored_users": {CHARLIE: {}}})
    await house.projected()

    [found] = (await threads(house, BOB, room))["chunk"]
    assert (found["event_id"], found["content"]) == (root.event_id, {})
    thread = found["unsigned"]["m.relations"]["m.thread"]
    assert (thread["count"], thread["latest_event"]["content"]["body"]) == (1, "a")
    assert bodies((await threads(house, ALICE, room))["chunk"]) == ["silent", "root"]


async def test_threads_stand_on_a_page_where_the_reader_saw_them_last(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    one, two = room.message("1"), room.message("2")
    await house.put(*records, one, two, reply(room, one, "a"), reply(room, two, "a"))
    await house.put(room.member(BOB, "leave"), reply(room, one, "b"))

    assert bodies((await threads(house, BOB, room))["chunk"]) == ["2", "1"]
    assert bodies((await threads(house, ALICE, room))["chunk"]) == ["1", "2"]


async def test_a_thread_of_a_state_event_is_among_them(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    topic = room.state_event("m.room.topic", {"topic": "a"})
    await house.put(*records, topic, reply(room, topic, "a"))

    [found] = (await threads(house, BOB, room))["chunk"]
    assert found["unsigned"]["m.relations"]["m.thread"]["count"] == 1


async def test_what_is_no_thread_is_not_among_them(house: House) -> None:
    room, other = Room(), Room("other")
    records = [*room.created(BOB), *other.created(BOB)]
    root = room.message("root")
    await house.put(
        *records,
        root,
        child(room, root, "m.reference"),
        reply(other, root, "astray"),
        child(room, "$unknown", "m.thread"),
    )

    assert (await threads(house, BOB, room))["chunk"] == []
    assert (await threads(house, BOB, other))["chunk"] == []


async def test_strangers_have_no_threads(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))

    for target in (room, Room("unknown")):
        answer = await house.room(CHARLIE, target, "threads", version="v1")
        assert (answer.status, answer.json["errcode"]) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"include": "some"}, {"from_": "nonsense"}], ids=str
)
async def test_a_bad_parameter_is_told(house: House, query: dict[str, Any]) -> None:
    room = Room()
    await house.put(*room.created(BOB))

    answer = await house.room(BOB, room, "threads", version="v1", **query)
    assert (answer.status, answer.json["errcode"]) == (400, "M_INVALID_PARAM")
