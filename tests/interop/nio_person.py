"""Somebody who talks through matrix-nio, a client library that is used a lot."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import aiohttp
import nio
import nio.store
import pytest

from tests.spec.clients import checked
from tests.system.server_process import ServerProcess

PASSWORD: Final = "down the rabbit hole"
_MEGOLM: Final = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


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
        self.unreadable: list[nio.MegolmEvent] = []
        self.verifications: list[nio.KeyVerificationEvent] = []
        self._told = asyncio.Condition()
        client.add_event_callback(self._on_invite, nio.InviteMemberEvent)
        client.add_event_callback(self._on_member, nio.RoomMemberEvent)
        client.add_event_callback(self._on_message, nio.RoomMessageText)
        client.add_event_callback(self._on_redaction, nio.RedactionEvent)
        client.add_ephemeral_callback(self._on_typing, nio.TypingNoticeEvent)
        client.add_ephemeral_callback(self._on_receipt, nio.ReceiptEvent)
        client.add_event_callback(self._on_unreadable, nio.MegolmEvent)
        client.add_to_device_callback(self._on_verification, nio.KeyVerificationEvent)
        client.add_response_callback(self._on_keys, nio.KeysQueryResponse)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return once the callbacks have told what makes this true."""
        async with self._told:
            await self._told.wait_for(is_so)

    async def say(self, room_id: str, text: str, **relation: str) -> str:
        """Send a message, with its relation to another one, and return its event ID."""
        content: dict[str, Any] = {"msgtype": "m.text", "body": text}
        if relation:
            content["m.relates_to"] = relation
        sent = await self.client.room_send(
            room_id, "m.room.message", content, ignore_unverified_devices=True
        )
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

    async def _on_unreadable(self, _room: nio.MatrixRoom, event: nio.MegolmEvent) -> None:
        await self._remember(self.unreadable, event)

    async def _on_verification(self, event: nio.KeyVerificationEvent) -> None:
        await self._remember(self.verifications, event)

    async def _on_keys(self, _answer: nio.KeysQueryResponse) -> None:
        async with self._told:
            self._told.notify_all()

    async def _remember(self, where: list[Any], what: Any) -> None:
        async with self._told:
            where.append(what)
            self._told.notify_all()


@contextlib.asynccontextmanager
async def person(
    server: ServerProcess, name: str, *, encrypts: bool = False, new: bool = True
) -> AsyncIterator[Person]:
    """Register somebody, or log them in again, who follows the server while the context lasts.

    A device that encrypts keeps its keys in memory.
    """
    config = nio.AsyncClientConfig(
        encryption_enabled=encrypts,
        store=nio.store.SqliteMemoryStore,
        max_limit_exceeded=0,
        max_timeouts=0,
    )
    client = nio.AsyncClient(server.url, name, config=config)
    client.client_session = aiohttp.ClientSession(trace_configs=[checked()])
    try:
        if new:
            registered = await client.register(name, PASSWORD)
            assert isinstance(registered, nio.RegisterResponse), registered
        else:
            logged_in = await client.login(PASSWORD)
            assert isinstance(logged_in, nio.LoginResponse), logged_in
        someone = Person(client)
        # The library asks for keys, and sends messages to devices, only between two syncs.
        timeout_ms = 200 if encrypts else 30_000
        syncing = asyncio.create_task(client.sync_forever(timeout_ms, full_state=True))
        try:
            await client.synced.wait()
            yield someone
        finally:
            syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await syncing
    finally:
        await client.close()


async def a_room(host: Person, guest: Person, *, encrypted: bool = False) -> str:
    """Return a room of the host in which the guest has seen everybody."""
    created = await host.client.room_create(
        invite=[guest.client.user_id],
        preset=nio.RoomPreset.private_chat,
        initial_state=[_MEGOLM] if encrypted else [],
    )
    assert isinstance(created, nio.RoomCreateResponse), created
    await guest.until(lambda: created.room_id in guest.invites)
    joined = await guest.client.join(created.room_id)
    assert isinstance(joined, nio.JoinResponse), joined
    joining = (guest.client.user_id, "join")
    await host.until(lambda: joining in host.members)
    await guest.until(lambda: joining in guest.members)
    return str(created.room_id)


@pytest.fixture(autouse=True)
def valid_answers(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Hold that matrix-nio finds every answer valid, and has nothing to warn of.

    What it says of sessions between devices is left out: it warns before it makes the first one.
    """
    with caplog.at_level(logging.WARNING, "nio"):
        yield
    records = caplog.get_records("call")
    assert [one.getMessage() for one in records if one.name != "nio.crypto.log"] == []
