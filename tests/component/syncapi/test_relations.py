"""What relates to an event: in pages, by kind, through others, and for whom."""

from typing import Any
from urllib.parse import quote

import pytest

from components.syncapi.settings import SyncApiSettings
from tests.component.syncapi.relating import (
    child,
    edit,
    old_child,
    reaction,
    related,
    relates_to,
    reply,
)
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, bodies, running_house


async def all_pages(
    house: House, room: Room, parent: Any, *kinds: str, **query: Any
) -> tuple[list[str], int]:
    """Return the bodies of all pages, and how many there were."""
    found: list[str] = []
    place, pages = None, 0
    while True:
        page = await related(house, BOB, room, parent, *kinds, from_=place, **query)
        assert ("prev_batch" in page) == (place is not None)
        pages += 1
        found += bodies(page["chunk"])
        if "next_batch" not in page:
            return found, pages
        place = page["next_batch"]


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_pages_join_without_hole_or_repeat_in_both_directions(
    house: House, limit: int
) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    records += [root]
    for number in range(7):
        records += [reply(room, root, str(number)), room.message("between")]
    await house.put(*records)

    numbers = [str(number) for number in range(7)]
    newest_first, pages = await all_pages(house, room, root, limit=limit)
    assert newest_first == numbers[::-1]
    assert pages == -(-7 // limit)
    assert (await all_pages(house, room, root, limit=limit, dir="f"))[0] == numbers
    assert (await all_pages(house, room, root, "m.thread", limit=limit))[0] == numbers[::-1]


async def test_one_goes_back_from_a_later_page_by_its_prev_batch(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    await house.put(*records, root, *(reply(room, root, str(number)) for number in range(4)))

    first = await related(house, BOB, room, root, limit=2)
    second = await related(house, BOB, room, root, limit=2, from_=first["next_batch"])
    back = await related(house, BOB, room, root, limit=2, dir="f", from_=second["prev_batch"])
    assert bodies(second["chunk"]) == ["1", "0"]
    assert bodies(back["chunk"]) == ["2", "3"]


async def test_a_range_begins_and_ends_at_tokens_of_sync_and_of_pages(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    await house.put(*records, root, reply(room, root, "a"))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(reply(room, root, "b"), reply(room, root, "c"))
    messages = (await house.room(BOB, room, "messages", dir="b", limit=1)).json

    assert bodies((await related(house, BOB, room, root, from_=since))["chunk"]) == ["a"]
    assert bodies((await related(house, BOB, room, root, to=since))["chunk"]) == ["c", "b"]
    from_page = await related(house, BOB, room, root, from_=messages["end"], to=since)
    assert bodies(from_page["chunk"]) == ["b"]
    nothing = await related(house, BOB, room, root, from_=since, to=messages["end"])
    assert nothing["chunk"] == []


async def test_children_are_filtered_by_relation_and_by_type(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    secret = child(room, root, "m.thread", "secret", kind="m.room.encrypted", ciphertext="A")
    await house.put(
        *records,
        root,
        reply(room, root, "thread"),
        secret,
        child(room, root, "m.reference", "reference"),
        child(room, root, "org.example.own", "own"),
    )

    assert bodies((await related(house, BOB, room, root, "m.reference"))["chunk"]) == ["reference"]
    assert bodies((await related(house, BOB, room, root, "org.example.own"))["chunk"]) == ["own"]
    found = await related(house, BOB, room, root, "m.thread", "m.room.encrypted")
    assert [event["event_id"] for event in found["chunk"]] == [secret.event_id]
    assert found["chunk"][0]["room_id"] == room.room_id
    assert (await related(house, BOB, room, root, "m.thread", "m.room.name"))["chunk"] == []


async def test_a_search_for_a_rare_type_ends_in_time_and_goes_on(
    tmp_path: Any, database_url: str
) -> None:
    room = Room()
    settings = SyncApiSettings(max_scanned_events=20)
    async with running_house(tmp_path, database_url, settings) as house:
        records = room.created(BOB)
        root = room.message("root")
        rare = child(room, root, "m.thread", "rare", kind="org.example.rare")
        await house.put(*records, root, rare, *(reply(room, root, "x") for _ in range(60)))

        found, pages = await all_pages(house, room, root, "m.thread", "org.example.rare")
        assert (found, pages > 1) == (["rare"], True)


async def test_what_relates_through_others_is_found_up_to_three_deep(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    one = reply(room, root, "1")
    two = child(room, one, "m.reference", "2")
    three = child(room, two, "m.reference", "3")
    four = child(room, three, "m.reference", "4")
    await house.put(*records, root, one, two, three, four)

    direct = await related(house, BOB, room, root)
    assert (bodies(direct["chunk"]), direct.get("recursion_depth")) == (["1"], None)
    deep = await related(house, BOB, room, root, recurse=True)
    assert (bodies(deep["chunk"]), deep["recursion_depth"]) == (["3", "2", "1"], 3)
    former = await related(house, BOB, room, root, **{"org.matrix.msc3981.recurse": True})
    assert former == deep
    said = await related(house, BOB, room, root, recurse=False)
    assert (bodies(said["chunk"]), said["recursion_depth"]) == (["1"], 1)
    # The filter is for what is shown, not for what is on the way.
    kind = await related(house, BOB, room, root, "m.reference", recurse=True, dir="f", limit=1)
    assert bodies(kind["chunk"]) == ["2"]
    pages = await all_pages(house, room, root, recurse=True, limit=1)
    assert pages == (["3", "2", "1"], 3)


async def test_a_redaction_breaks_a_chain_where_it_stood(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    one = reply(room, root, "1")
    two = child(room, one, "m.reference", "2")
    three = child(room, two, "m.reference", "3")
    await house.put(*records, root, one, two, three)
    await house.put(*room.redacted(one))

    assert (await related(house, BOB, room, root, recurse=True))["chunk"] == []
    of_redacted = await related(house, BOB, room, one, recurse=True)
    assert bodies(of_redacted["chunk"]) == ["3", "2"]
    await house.put(*room.redacted(two))
    assert (await related(house, BOB, room, one, recurse=True))["chunk"] == []
    assert bodies((await related(house, BOB, room, two))["chunk"]) == ["3"]


async def test_backfilled_children_come_before_the_others_whatever_comes_first(
    house: House,
) -> None:
    room = Room()
    root = room.old("root")
    one = old_child(room, root, "m.thread", "1")
    two = old_child(room, one, "m.reference", "2")
    late = [two, one, root]
    records = room.created(BOB)
    new = child(room, two, "m.reference", "3")
    await house.put(*records, new)
    await house.put(*late)

    assert bodies((await related(house, BOB, room, root))["chunk"]) == ["1"]
    deep = await related(house, BOB, room, root, recurse=True)
    assert bodies(deep["chunk"]) == ["3", "2", "1"]


async def test_events_of_another_room_are_no_children(house: House) -> None:
    room, other = Room(), Room("other")
    records = [*room.created(BOB), *other.created(BOB)]
    root = room.message("root")
    await house.put(*records, root, reply(other, root, "astray"), reply(room, root, "here"))

    assert bodies((await related(house, BOB, room, root, recurse=True))["chunk"]) == ["here"]
    elsewhere = await house.room(
        BOB, other, f"relations/{quote(root.event_id, safe='')}", version="v1"
    )
    assert elsewhere.status == 404


async def test_a_reply_without_a_relation_is_no_child(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    content = {"body": "a", "m.relates_to": {"m.in_reply_to": {"event_id": root.event_id}}}
    await house.put(*records, root, room.added(room.build("m.room.message", content)))

    assert (await related(house, BOB, room, root))["chunk"] == []


HOSTILE: list[Any] = [
    None,
    [],
    "m.thread",
    7,
    {},
    {"rel_type": 7, "event_id": "$root"},
    {"rel_type": "m.thread"},
    {"rel_type": "m.thread", "event_id": {"a": []}},
    {"rel_type": "m.thread", "event_id": "not an ID"},
    {"rel_type": "m.thread", "event_id": "$" + "x" * 5000},
    {"rel_type": "m.thread", "event_id": "$nul\0"},
    {"rel_type": "x" * 5000, "event_id": "$root"},
    {"rel_type": "nul\0", "event_id": "$root"},
    {"rel_type": "", "event_id": "$root"},
    {"rel_type": "m.annotation", "event_id": "$root", "key": {}},
    {"rel_type": "m.annotation", "event_id": "$root", "key": "\0" * 5000},
    {"rel_type": "m.replace", "event_id": "$root"},
    {"rel_type": "m.replace", "event_id": "$root", "m.new_content": 1},
]


async def test_no_relation_however_strange_stops_anything(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    for strange in HOSTILE:
        content = {"body": "x", "m.relates_to": strange, "m.new_content": strange}
        records.append(room.added(room.build("m.room.message", content)))
    await house.put(*records, room.message("after"))

    messages = await house.room(BOB, room, "messages", dir="b", limit=100)
    assert bodies(messages.json["chunk"])[:2] == ["after", "x"]
    assert len(messages.json["chunk"]) == len(records) + 1


async def test_a_redacted_child_is_gone_and_a_redacted_parent_keeps_its_own(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    one, two = reply(room, root, "1"), reply(room, root, "2")
    await house.put(*records, root, one, two)
    await house.put(*room.redacted(two), *room.redacted(root))

    assert bodies((await related(house, BOB, room, root))["chunk"]) == ["1"]


async def test_what_a_reader_may_not_see_is_not_there(house: House) -> None:
    room = Room()
    records = room.created(BOB, visibility="joined")
    root = room.message("root")
    before = reply(room, root, "before")
    gone = room.member(BOB, "leave")
    hidden = reply(room, root, "hidden")
    back = room.member(BOB, "join")
    after = reply(room, root, "after")
    await house.put(*records, root, before, gone, hidden, back, after)
    await house.put(room.member(CHARLIE, "join"))

    assert bodies((await related(house, BOB, room, root))["chunk"]) == ["after", "before"]
    path = f"relations/{quote(root.event_id, safe='')}"
    for stranger in (CHARLIE, "@dora:xylem.test"):
        answer = await house.room(stranger, room, path, version="v1")
        assert (answer.status, answer.json["errcode"]) == (404, "M_NOT_FOUND")
    unknown = await house.room(BOB, room, "relations/$unknown", version="v1")
    assert unknown.status == 404


async def test_children_of_ignored_users_are_left_out(house: House) -> None:
    room = Room()
    records = room.created(BOB, CHARLIE)
    root = room.message("root")
    await house.put(
        *records, root, reply(room, root, "shown"), reply(room, root, "no", sender=CHARLIE)
    )
    ignored: dict[str, Any] = {"ignored_users": {CHARLIE: {}}}
    await house.put_account_data(BOB, "m.ignored_user_list", ignored)
    await house.projected()

    assert bodies((await related(house, BOB, room, root))["chunk"]) == ["shown"]
    assert bodies((await related(house, ALICE, room, root))["chunk"]) == ["no", "shown"]


async def test_children_have_bundles_of_their_own(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    one = reply(room, root, "1")
    await house.put(*records, root, one, edit(room, one, "better"))

    [found] = (await related(house, BOB, room, root))["chunk"]
    newest = found["unsigned"]["m.relations"]["m.replace"]
    assert newest["content"]["m.new_content"] == {"body": "better"}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": "x"},
        {"dir": "up"},
        {"from_": "nonsense"},
        {"to": "nonsense"},
        {"recurse": "maybe"},
    ],
    ids=str,
)
async def test_a_bad_parameter_is_told(house: House, query: dict[str, Any]) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    await house.put(*records, root)

    path = f"relations/{quote(root.event_id, safe='')}"
    answer = await house.room(BOB, room, path, version="v1", **query)
    assert (answer.status, answer.json["errcode"]) == (400, "M_INVALID_PARAM")


async def test_reactions_are_found_but_not_bundled(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    await house.put(*records, root, reaction(room, root, "👍"), reaction(room, root, "👍"))

    page = await related(house, BOB, room, root, "m.annotation", "m.reaction")
    keys = [event["content"]["m.relates_to"] for event in page["chunk"]]
    assert keys == [relates_to(root, "m.annotation", key="👍")] * 2
    event = await house.room(BOB, room, f"event/{quote(root.event_id)}")
    assert "m.relations" not in event.json["unsigned"]
