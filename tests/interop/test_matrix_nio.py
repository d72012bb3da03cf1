"""matrix-nio, a client library that is used a lot, holds a conversation through the server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import nio
import pytest
from nio.api import RelationshipType

from tests.spec.clients import checked
from tests.system.server_process import ServerProcess

# Nothing is encrypted here, so that the library needs no store.
_CONFIG = nio.AsyncClientConfig(encryption_enabled=False, max_limit_exceeded=0, max_timeouts=0)


class Person:
    """Somebody who talks through matrix-nio and remembers what its callbacks told."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self.client = client
        self.invites: list[str] = []
        self.members: list[tuple[str, str]] = []
        self.messages: list[tuple[str, str]] = []
        self.redactions: list[str] = []
        self.typing: list[list[str]] = []
        self.receipts: list[tuple[str, str]] = []
        self._told = asyncio.Condition()
        client.add_event_callback(self._on_invite, nio.InviteMemberEvent)
        client.add_event_callback(self._on_member, nio.RoomMemberEvent)
        client.add_event_callback(self._on_message, nio.RoomMessageText)
        client.add_event_callback(self._on_redaction, nio.RedactionEvent)
        client.add_ephemeral_callback(self._on_typing, nio.TypingNoticeEvent)
        client.add_ephemeral_callback(self._on_receipt, nio.ReceiptEvent)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return once the callbacks have told what makes this true."""
        async with self._told:
            await self._told.wait_for(is_so)

    async def say(self, room_id: str, text: str, **relation: str) -> str:
        """Send a message, with its relation to another one, and return its event ID."""
        content: dict[str, Any] = {"msgtype": "m.text", "body": text}
        if relation:
            content["m.relates_to"] = relation
        sent = await self.client.room_send(room_id, "m.room.message", content)
        assert isinstance(sent, nio.RoomSendResponse), sent
        return str(sent.event_id)

    async def _on_invite(self, room: nio.MatrixInvitedRoom, event: nio.InviteMemberEvent) -> None:
        if event.state_key == self.client.user_id:
            await self._remember(self.invites, room.room_id)

    async def _on_member(self, _room: nio.MatrixRoom, event: nio.RoomMemberEvent) -> None:
        await self._remember(self.members, (event.state_key, event.membership))

    async def _on_message(self, _room: nio.MatrixRoom, event: nio.RoomMessageText) -> None:
        await self._remember(self.messages, (event.sender, event.body))

    async def _on_redaction(self, _room: nio.MatrixRoom, event: nio.RedactionEvent) -> None:
        await self._remember(self.redactions, event.redacts)

    async def _on_typing(self, _room: nio.MatrixRoom, event: nio.TypingNoticeEvent) -> None:
        await self._remember(self.typing, event.users)

    async def _on_receipt(self, _room: nio.MatrixRoom, event: nio.ReceiptEvent) -> None:
        for receipt in event.receipts:
            await self._remember(self.receipts, (receipt.user_id, receipt.event_id))

    async def _remember(self, where: list[Any], what: Any) -> None:
        async with self._told:
            where.append(what)
            self._told.notify_all()


@contextlib.asynccontextmanager
async def person(server: ServerProcess, name: str) -> AsyncIterator[Person]:
    """Register somebody who follows the server while the context lasts."""
    client = nio.AsyncClient(server.url, config=_CONFIG)
    client.client_session = aiohttp.ClientSession(trace_configs=[checked()])
    try:
        registered = await client.register(name, "down the rabbit hole")
        assert isinstance(registered, nio.RegisterResponse), registered
        someone = Person(client)
        syncing = asyncio.create_task(client.sync_forever(timeout=30_000, full_state=True))
        try:
            await client.synced.wait()
            yield someone
        finally:
            syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await syncing
    finally:
        await client.close()


@pytest.fixture
async def alice(server: ServerProcess) -> AsyncIterator[Person]:
    async with person(server, "alice") as someone:
        yield someone


@pytest.fixture
async def bob(server: ServerProcess) -> AsyncIterator[Person]:
    async with person(server, "bob") as someone:
        yield someone


@pytest.fixture(autouse=True)
def valid_answers(caplog: pytest.LogCaptureFixture) -> Any:
    """The library finds every answer valid, and has nothing to warn of."""
    with caplog.at_level(logging.WARNING, "nio"):
        yield
    assert [record.getMessage() for record in caplog.get_records("call")] == []


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


async def a_room(host: Person, guest: Person) -> str:
    """Return a room of the host in which the guest has seen everybody."""
    created = await host.client.room_create(
        invite=[guest.client.user_id], preset=nio.RoomPreset.private_chat
    )
    assert isinstance(created, nio.RoomCreateResponse), created
    await guest.until(lambda: created.room_id in guest.invites)
    joined = await guest.client.join(created.room_id)
    assert isinstance(joined, nio.JoinResponse), joined
    joining = (guest.client.user_id, "join")
    await host.until(lambda: joining in host.members)
    await guest.until(lambda: joining in guest.members)
    return str(created.room_id)
