"""matrix-nio with vodozemac holds conversations that the server cannot read."""

import contextlib
import itertools
from collections.abc import AsyncIterator

import nio
import pytest

from tests.interop.nio_person import (
    Person,
    a_room,
    person,
    valid_answers,  # noqa: F401 (all tests use it)
)
from tests.system.server_process import ServerProcess

_numbers = itertools.count()


@pytest.fixture
async def alice(sdk_server: ServerProcess) -> AsyncIterator[Person]:
    async with person(sdk_server, f"alice.nio.{next(_numbers)}", encrypts=True) as someone:
        yield someone


@pytest.fixture
async def bob(sdk_server: ServerProcess) -> AsyncIterator[Person]:
    async with person(sdk_server, f"bob.nio.{next(_numbers)}", encrypts=True) as someone:
        yield someone


async def test_two_users_read_each_other_in_an_encrypted_room(alice: Person, bob: Person) -> None:
    room_id = await a_room(alice, bob, encrypted=True)
    await until_known(alice, bob)
    await until_known(bob, alice)

    await alice.say(room_id, "Why is a raven like a writing-desk?")
    await bob.until(lambda: len(bob.messages) == 1)
    answer = await bob.say(room_id, "I give it up")
    await alice.until(lambda: len(alice.messages) == 2)

    assert [text for _, text in alice.messages] == [
        "Why is a raven like a writing-desk?",
        "I give it up",
    ]
    assert not alice.unreadable + bob.unreadable
    stored = await bob.client.room_get_event(room_id, answer)
    assert stored.event.decrypted


async def test_a_device_that_is_logged_in_later_reads_what_is_said_from_then_on(
    sdk_server: ServerProcess, alice: Person, bob: Person
) -> None:
    room_id = await a_room(alice, bob, encrypted=True)
    await until_known(alice, bob)
    await alice.say(room_id, "Before")
    await bob.until(lambda: len(bob.messages) == 1)
    localpart = bob.client.user_id[1:].partition(":")[0]

    async with person(sdk_server, localpart, encrypts=True, new=False) as phone:
        await until_known(alice, phone)
        await alice.say(room_id, "After")

        await phone.until(lambda: len(phone.messages) == 1)
        await bob.until(lambda: len(bob.messages) == 2)
        assert [text for _, text in phone.messages] == ["After"]
        assert len(phone.unreadable) == 1
        assert not bob.unreadable


async def test_a_device_that_is_gone_gets_no_more_keys(
    sdk_server: ServerProcess, alice: Person, bob: Person
) -> None:
    room_id = await a_room(alice, bob, encrypted=True)
    localpart = bob.client.user_id[1:].partition(":")[0]
    async with person(sdk_server, localpart, encrypts=True, new=False) as phone:
        await until_known(alice, phone)
        phone_id = phone.client.device_id
        token = phone.client.access_token
    await log_out(sdk_server, token)

    devices = alice.client.device_store[bob.client.user_id]
    await alice.until(lambda: devices[phone_id].deleted)
    await alice.say(room_id, "Without your phone")

    await bob.until(lambda: len(bob.messages) == 1)
    session = alice.client.olm.outbound_group_sessions[room_id]
    assert (bob.client.user_id, phone_id) not in session.users_shared_with
    assert (bob.client.user_id, bob.client.device_id) in session.users_shared_with


async def test_two_devices_are_verified_by_comparing_emoji(alice: Person, bob: Person) -> None:
    await a_room(alice, bob, encrypted=True)
    await until_known(alice, bob)
    await until_known(bob, alice)
    bobs = alice.client.device_store[bob.client.user_id][bob.client.device_id]
    alices = bob.client.device_store[alice.client.user_id][alice.client.device_id]

    await alice.client.start_key_verification(bobs)
    await until_told(bob, nio.KeyVerificationStart)
    transaction_id = bob.verifications[0].transaction_id
    await bob.client.accept_key_verification(transaction_id)
    for one in (alice, bob):
        await until_told(one, nio.KeyVerificationKey)
    seen = [one.client.key_verifications[transaction_id].get_emoji() for one in (alice, bob)]
    assert seen[0] == seen[1]
    for one in (alice, bob):
        await one.client.confirm_short_auth_string(transaction_id)
    for one in (alice, bob):
        await until_told(one, nio.KeyVerificationMac)

    assert bobs.verified
    assert alices.verified


async def log_out(server: ServerProcess, access_token: str) -> None:
    """End a device that no longer syncs, which the library would complain of."""
    client = nio.AsyncClient(server.url)
    client.access_token = access_token
    ended = await client.logout()
    assert isinstance(ended, nio.LogoutResponse), ended
    await client.close()


async def until_known(one: Person, other: Person) -> None:
    """Return once somebody's client knows this device of the other."""
    devices = one.client.device_store

    def known() -> bool:
        with contextlib.suppress(KeyError):
            return bool(devices[other.client.user_id][other.client.device_id])
        return False

    await one.until(known)


async def until_told(one: Person, kind: type[nio.KeyVerificationEvent]) -> None:
    await one.until(lambda: any(isinstance(event, kind) for event in one.verifications))
