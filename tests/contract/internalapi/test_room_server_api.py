"""The room server's APIs answer alike in its own process and over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from internalapi.roomserver import (
    InputPosition,
    PublishedFilter,
    PublishedPage,
    PublishedRoom,
    PublishedStart,
    RoomDirectory,
    RoomQueries,
    RoomUnknown,
)
from matrix.errors import RoomInUse
from matrix.identifiers import EventID, RoomAlias, RoomID
from matrix.state_keys import CREATE, member_key
from tests.component.roomserver.story import (
    ALICE,
    BOB,
    CHARLIE,
    House,
    Room,
    added,
    running_house,
)
from tests.contract.internalapi.conftest import Connect

TEA = RoomAlias("#tea:xylem.test")


class Apis(NamedTuple):
    """A room server as its callers see it, with a room in it."""

    house: House
    room: Room
    queries: RoomQueries
    directory: RoomDirectory


@pytest.fixture
async def apis(tmp_path: Path, connect: Connect) -> AsyncIterator[Apis]:
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db") as house:
        room = Room("1")
        await house.add(*room.beginning())
        async with (
            connect(RoomQueries, house.server.queries) as queries,
            connect(RoomDirectory, house.server.directory) as directory,
        ):
            yield Apis(house, room, queries, directory)


async def test_the_head_of_a_room_has_what_the_next_event_needs(apis: Apis) -> None:
    head = await apis.queries.query_room_head(
        room_id=apis.room.room_id, state_keys=[CREATE, member_key(BOB), ("m.absent", "")]
    )
    assert head.room_version == "1"
    assert head.latest_event_ids == [apis.room.latest[0].event_id]
    assert head.depth == 6
    assert {event.state_tuple for event in head.state} == {CREATE, member_key(BOB)}
    assert set(head.reference_hashes) == {
        *head.latest_event_ids,
        *(event.event_id for event in head.state),
    }


async def test_a_query_waits_for_what_was_just_appended(apis: Apis) -> None:
    message = apis.room.message("hello")
    await apis.house.put(added(message))
    head = await apis.queries.query_room_head(
        room_id=apis.room.room_id, state_keys=[], not_before=InputPosition(0, 5)
    )
    assert head.latest_event_ids == [message.event_id]


async def test_state_comes_as_events_that_equal_the_stored_ones(apis: Apis) -> None:
    state = await apis.queries.query_state(room_id=apis.room.room_id)
    assert {event.event_id: event.raw for event in state} == {
        event.event_id: event.raw for event in apis.room.state.values()
    }
    members = await apis.queries.query_state(room_id=apis.room.room_id, types=["m.room.member"])
    assert {event.state_key for event in members} == {ALICE, BOB}


async def test_an_unknown_room_is_the_same_error_everywhere(apis: Apis) -> None:
    with pytest.raises(RoomUnknown):
        await apis.queries.query_state(room_id=RoomID("!none:xylem.test"))
    with pytest.raises(RoomUnknown):
        await apis.directory.perform_publish(room_id=RoomID("!none:xylem.test"), is_published=True)


async def test_events_come_in_the_order_asked(apis: Apis) -> None:
    wanted = [event.event_id for event in reversed(list(apis.room.state.values()))]
    found = await apis.queries.query_events(event_ids=[EventID("$absent"), *wanted])
    assert [one.event.event_id for one in found] == wanted


async def test_memberships_are_told(apis: Apis) -> None:
    room_id = apis.room.room_id
    bob = await apis.queries.query_membership(room_id=room_id, user_id=BOB)
    assert bob is not None
    assert bob.membership == "join"
    assert await apis.queries.query_membership(room_id=room_id, user_id=CHARLIE) is None
    assert await apis.queries.query_rooms_of_user(user_id=BOB, memberships=["join"]) == [bob]
    assert await apis.queries.query_members(room_id=room_id, membership="join") == [ALICE, BOB]


async def test_an_alias_belongs_to_whoever_was_first(apis: Apis) -> None:
    room_id = apis.room.room_id
    assert await apis.directory.query_alias(alias=TEA) is None
    await apis.directory.perform_create_alias(alias=TEA, room_id=room_id, creator=ALICE)
    with pytest.raises(RoomInUse):
        await apis.directory.perform_create_alias(alias=TEA, room_id=room_id, creator=BOB)
    assert await apis.directory.query_alias(alias=TEA) == room_id
    assert await apis.directory.query_alias_creator(alias=TEA) == ALICE
    assert await apis.directory.query_aliases(room_id=room_id) == [TEA]
    assert await apis.directory.perform_delete_alias(alias=TEA)
    assert not await apis.directory.perform_delete_alias(alias=TEA)


async def listed(apis: Apis) -> list[PublishedRoom]:
    page = await apis.directory.query_published_page(wanted=PublishedFilter(), start=None, limit=10)
    return page.rooms


async def test_a_published_room_is_listed_with_what_its_state_says(apis: Apis) -> None:
    room_id = apis.room.room_id
    await apis.house.add(apis.room.next("m.room.name", {"name": "Tea"}, state_key=""))
    assert await listed(apis) == []
    await apis.directory.perform_publish(room_id=room_id, is_published=True)
    assert await apis.directory.query_is_published(room_id=room_id)
    [shown] = await listed(apis)
    assert (shown.room_id, shown.name, shown.joined_members) == (room_id, "Tea", 2)
    assert shown.join_rule == "public"


async def test_a_page_of_the_directory_is_what_is_wanted_from_where_it_begins(apis: Apis) -> None:
    ordered = [RoomID(f"!{name}:xylem.test") for name in ("ale", "beer", "cider", "date")]
    for room_id in reversed(ordered):
        room = Room("11")
        room.room_id = room_id
        await apis.house.add(*room.beginning())
        await apis.directory.perform_publish(room_id=room_id, is_published=True)
    after_first = PublishedStart(is_forward=True, joined_members=2, room_id=ordered[0])
    before_last = PublishedStart(is_forward=False, joined_members=2, room_id=ordered[3])

    async def page(search_term: str, start: PublishedStart | None) -> PublishedPage:
        wanted = PublishedFilter(search_term)
        return await apis.directory.query_published_page(wanted=wanted, start=start, limit=2)

    pages = [await page("", start) for start in (None, after_first, before_last)]
    found = await page("CIDER", None)

    shown = [[room.room_id for room in one.rooms] for one in pages]
    assert shown == [ordered[:2], ordered[1:3], ordered[1:3]]
    assert [(one.total, one.has_earlier, one.has_later) for one in pages] == [
        (4, False, True),
        (4, True, True),
        (4, True, True),
    ]
    assert [room.room_id for room in found.rooms] == [ordered[2]]


async def test_another_room_takes_over_aliases_and_the_place_in_the_list(apis: Apis) -> None:
    room_id = apis.room.room_id
    new = Room("12")
    await apis.house.add(*new.beginning())
    await apis.directory.perform_create_alias(alias=TEA, room_id=room_id, creator=ALICE)
    await apis.directory.perform_publish(room_id=room_id, is_published=True)

    for _ in range(2):
        await apis.directory.perform_replace_room(room_id=room_id, new_room_id=new.room_id)

    assert await apis.directory.query_alias(alias=TEA) == new.room_id
    assert await apis.directory.query_alias_creator(alias=TEA) == ALICE
    assert [room.room_id for room in await listed(apis)] == [new.room_id]


async def test_what_cannot_be_taken_over_stays(apis: Apis) -> None:
    room_id, unknown = apis.room.room_id, RoomID("!unknown:xylem.test")
    await apis.directory.perform_create_alias(alias=TEA, room_id=room_id, creator=ALICE)
    await apis.directory.perform_publish(room_id=room_id, is_published=True)

    with pytest.raises(RoomUnknown):
        await apis.directory.perform_replace_room(room_id=room_id, new_room_id=unknown)

    assert await apis.directory.query_alias(alias=TEA) == room_id
