"""matrix-nio, a client library that is used a lot, holds a conversation through the server."""

from collections.abc import AsyncIterator

import nio
import pytest
from nio.api import RelationshipType

from tests.interop.nio_person import (
    Person,
    a_room,
    person,
    valid_answers,  # noqa: F401 (all tests use it)
)
from tests.system.server_process import ServerProcess


@pytest.fixture
async def alice(server: ServerProcess) -> AsyncIterator[Person]:
    async with person(server, "alice") as someone:
        yield someone


@pytest.fixture
async def bob(server: ServerProcess) -> AsyncIterator[Person]:
    async with person(server, "bob") as someone:
        yield someone


async def test_two_users_of_matrix_nio_talk(alice: Person, bob: Person) -> None:
    created = await alice.client.room_create(
        name="Tea", topic="Riddles", preset=nio.RoomPreset.private_chat
    )
    assert isinstance(created, nio.RoomCreateResponse), created
    room_id = created.room_id
    invited = await alice.client.room_invite(room_id, bob.client.user_id)
    assert isinstance(invited, nio.RoomInviteResponse), invited
    await bob.until(lambda: room_id in bob.invites)
    joined = await bob.client.join(room_id)
    assert isinstance(joined, nio.JoinResponse), joined
    await alice.until(lambda: (bob.client.user_id, "join") in alice.members)

    await alice.say(room_id, "Why is a raven like a writing-desk?")
    await bob.until(lambda: len(bob.messages) == 1)
    await bob.say(room_id, "I give it up")
    await alice.until(lambda: len(alice.messages) == 2)
    await bob.until(lambda: len(bob.messages) == 2)

    said = [
        (alice.client.user_id, "Why is a raven like a writing-desk?"),
        (bob.client.user_id, "I give it up"),
    ]
    assert alice.messages == said
    assert bob.messages == said
    for one in (alice, bob):
        room = one.client.rooms[room_id]
        assert (room.name, room.topic, room.member_count) == ("Tea", "Riddles", 2)
        assert set(room.users) == {alice.client.user_id, bob.client.user_id}


async def test_history_is_read_page_by_page(alice: Person, bob: Person) -> None:
    room_id = await a_room(alice, bob)
    sent = [await alice.say(room_id, f"Verse {number}") for number in range(25)]
    await bob.until(lambda: len(bob.messages) == len(sent))

    read: list[str] = []
    start = ""
    while start is not None:
        page = await bob.client.room_messages(room_id, start=start, limit=10)
        assert isinstance(page, nio.RoomMessagesResponse), page
        read += [event.event_id for event in page.chunk if isinstance(event, nio.RoomMessageText)]
        start = page.end

    assert read == sent[::-1]
    around = await bob.client.room_context(room_id, sent[12], limit=4)
    assert isinstance(around, nio.RoomContextResponse), around
    assert around.event.event_id == sent[12]
    assert [event.event_id for event in around.events_after] == sent[13:15]


async def test_a_redaction_is_told(alice: Person, bob: Person) -> None:
    room_id = await a_room(alice, bob)
    event_id = await alice.say(room_id, "Off with their heads!")
    await bob.until(lambda: len(bob.messages) == 1)

    redacted = await alice.client.room_redact(room_id, event_id, reason="Too harsh")

    assert isinstance(redacted, nio.RoomRedactResponse), redacted
    await bob.until(lambda: bob.redactions == [event_id])
    found = await bob.client.room_get_event(room_id, event_id)
    assert isinstance(found, nio.RoomGetEventResponse), found
    assert isinstance(found.event, nio.RedactedEvent)
    assert found.event.reason == "Too harsh"


async def test_a_new_name_is_told(alice: Person, bob: Person) -> None:
    room_id = await a_room(alice, bob)

    renamed = await alice.client.set_displayname("Alice Liddell")

    assert isinstance(renamed, nio.ProfileSetDisplayNameResponse), renamed
    room = bob.client.rooms[room_id]
    await bob.until(lambda: room.user_name(alice.client.user_id) == "Alice Liddell")
    profile = await bob.client.get_profile(alice.client.user_id)
    assert isinstance(profile, nio.ProfileGetResponse), profile
    assert profile.displayname == "Alice Liddell"


async def test_a_room_is_left_and_forgotten(alice: Person, bob: Person) -> None:
    room_id = await a_room(alice, bob)

    left = await bob.client.room_leave(room_id)

    assert isinstance(left, nio.RoomLeaveResponse), left
    await alice.until(lambda: (bob.client.user_id, "leave") in alice.members)
    assert set(alice.client.rooms[room_id].users) == {alice.client.user_id}
    forgotten = await bob.client.room_forget(room_id)
    assert isinstance(forgotten, nio.RoomForgetResponse), forgotten
    assert room_id not in bob.client.rooms


async def test_typing_and_reading_are_told(alice: Person, bob: Person) -> None:
    room_id = await a_room(alice, bob)

    typing = await bob.client.room_typing(room_id, timeout=30_000)
    assert isinstance(typing, nio.RoomTypingResponse), typing
    await alice.until(lambda: alice.typing[-1:] == [[bob.client.user_id]])
    event_id = await alice.say(room_id, "Curiouser and curiouser!")
    await bob.until(lambda: len(bob.messages) == 1)
    read = await bob.client.update_receipt_marker(room_id, event_id)
    assert isinstance(read, nio.UpdateReceiptMarkerResponse), read

    await alice.until(lambda: (bob.client.user_id, event_id) in alice.receipts)
    marked = await bob.client.room_read_markers(room_id, event_id, event_id)
    assert isinstance(marked, nio.RoomReadMarkersResponse), marked


async def test_threads_are_listed_and_read(alice: Person, bob: Person) -> None:
    room_id = await a_room(alice, bob)
    root_id = await alice.say(room_id, "A long tale")
    await alice.say(room_id, "Something else")
    parts = [
        await bob.say(room_id, f"Part {number}", rel_type="m.thread", event_id=root_id)
        for number in range(3)
    ]
    await alice.until(lambda: len(alice.messages) == 5)

    threads = [event.event_id async for event in alice.client.room_get_threads(room_id)]
    related = alice.client.room_get_event_relations(
        room_id, root_id, rel_type=RelationshipType.thread
    )

    assert threads == [root_id]
    assert [event.event_id async for event in related] == parts[::-1]


async def test_a_space_shows_its_rooms(alice: Person) -> None:
    created = await alice.client.room_create(name="Wonderland", space=True)
    assert isinstance(created, nio.RoomCreateResponse), created
    inside = await alice.client.room_create(name="Tea")
    assert isinstance(inside, nio.RoomCreateResponse), inside
    put = await alice.client.room_put_state(
        created.room_id, "m.space.child", {"via": ["localhost"]}, inside.room_id
    )
    assert isinstance(put, nio.RoomPutStateResponse), put

    shown = await alice.client.space_get_hierarchy(created.room_id)

    assert isinstance(shown, nio.SpaceGetHierarchyResponse), shown
    assert [room["name"] for room in shown.rooms] == ["Wonderland", "Tea"]
