"""Client sync's API answers alike in its own process and over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from internalapi.syncapi import EventVisibility, Relations
from logs.records.room_input import Transaction
from matrix.identifiers import DeviceID, EventID, UserID
from tests.component.syncapi.relating import reaction
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, running_house
from tests.contract.internalapi.conftest import Connect


class Apis(NamedTuple):
    """Client sync as its callers see it, with a room in it."""

    house: House
    room: Room
    relations: Relations
    visibility: EventVisibility


@pytest.fixture
async def apis(tmp_path: Path, connect: Connect) -> AsyncIterator[Apis]:
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db") as house:
        room = Room()
        await house.put(*room.created(BOB))
        async with (
            connect(Relations, house.sync_api.relations) as relations,
            connect(EventVisibility, house.sync_api.visibility) as visibility,
        ):
            yield Apis(house, room, relations, visibility)


async def has_annotated(apis: Apis, parent_id: str, **changed: Any) -> bool:
    """Ask whether alice has reacted, or what is changed of that."""
    asked: dict[str, Any] = {
        "room_id": apis.room.room_id,
        "parent_id": EventID(parent_id),
        "sender": ALICE,
        "event_type": "m.reaction",
        "key": "👍",
        "device_id": DeviceID("PHONE"),
        "transaction_id": "now",
    }
    return await apis.relations.query_has_annotated(**(asked | changed))


async def test_an_annotation_is_known_by_sender_type_and_key(apis: Apis) -> None:
    message = apis.room.message("hello")
    await apis.house.put(message, reaction(apis.room, message, "👍"))
    parent_id = message.event_id

    assert await has_annotated(apis, parent_id)
    assert not await has_annotated(apis, parent_id, sender=BOB)
    assert not await has_annotated(apis, parent_id, event_type="org.example.reaction")
    assert not await has_annotated(apis, parent_id, key="👎\0\ud7ff")
    assert not await has_annotated(apis, "$unknown")
    assert not await has_annotated(apis, parent_id, room_id=Room("other").room_id)


async def test_a_redacted_annotation_does_not_count(apis: Apis) -> None:
    message = apis.room.message("hello")
    sent = reaction(apis.room, message, "👍")
    await apis.house.put(message, sent)
    await apis.house.put(*apis.room.redacted(sent))

    assert not await has_annotated(apis, message.event_id)


async def test_what_this_request_has_sent_already_does_not_count(apis: Apis) -> None:
    message = apis.room.message("hello")
    transaction = Transaction(ALICE, "PHONE", "now")
    await apis.house.put(message, reaction(apis.room, message, "👍", transaction=transaction))

    assert not await has_annotated(apis, message.event_id)
    assert await has_annotated(apis, message.event_id, transaction_id="later")
    assert await has_annotated(apis, message.event_id, device_id=DeviceID("LAPTOP"))
    await apis.house.put(reaction(apis.room, message, "👍"))
    assert await has_annotated(apis, message.event_id)


async def test_of_events_those_are_named_that_the_user_may_see(apis: Apis) -> None:
    room, other = apis.room, Room("other")
    shared, rule = room.message("for all who come"), room.hides("joined")
    before = room.message("before charlie")
    joined, after = room.member(CHARLIE, "join"), room.message("after charlie")
    elsewhere = other.created()
    await apis.house.put(shared, rule, before, joined, after, *elsewhere)
    known = [EventID(one.event_id) for one in (after, before, elsewhere[0], shared)]

    async def visible_to(user_id: UserID) -> list[EventID]:
        return await apis.visibility.query_visible(
            room_id=room.room_id, user_id=user_id, event_ids=[*known, EventID("$unknown")]
        )

    assert await visible_to(CHARLIE) == [after.event_id, shared.event_id]
    assert await visible_to(BOB) == [after.event_id, before.event_id, shared.event_id]
    assert await visible_to(UserID("@stranger:example.org")) == []
