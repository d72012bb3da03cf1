"""What `PUT /sendToDevice` writes, for whom, and what it refuses."""

from typing import Any

import pytest

from logs.records.to_device import DeviceMessage, MessagesSent
from logs.topics import SEND_TO_DEVICE
from tests.component.clientapi.clientapi_server import V3, House, User

_REMOTE = "@dora:elsewhere.test"


async def written(house: House) -> list[MessagesSent]:
    """Return what was written so far."""
    end = (await house.log.bounds(SEND_TO_DEVICE.name))[0][1]
    tail = await house.log.tail(SEND_TO_DEVICE.name, {0: 0})
    found: list[MessagesSent] = []
    while len(found) < end:
        found += [SEND_TO_DEVICE.decode(one.value) for one in await tail.read()]
    await tail.close()
    return found


async def device_of(user: User) -> str:
    answer = await user.client.get(f"{V3}/account/whoami")
    device_id: str = answer.json["device_id"]
    return device_id


async def send(user: User, messages: Any, txn: str = "1", kind: str = "m.test") -> tuple[int, Any]:
    answer = await user.put(f"/sendToDevice/{kind}/{txn}", {"messages": messages})
    return answer.status, answer.json if answer.status == 200 else answer.errcode


async def test_each_user_has_a_record_with_the_devices_that_there_are(
    house: House, alice: User, bob: User, charlie: User
) -> None:
    phone = await device_of(bob)
    contents = {
        bob.user_id: {phone: {"for": "bob"}, "GONE": {"for": "nobody"}},
        charlie.user_id: {"*": {"for": "charlie"}},
    }

    assert await send(alice, contents) == (200, {})

    to_bob, to_charlie = await written(house)
    assert (to_bob.user_id, to_bob.sender, to_bob.type) == (bob.user_id, alice.user_id, "m.test")
    assert to_bob.messages == [DeviceMessage(phone, b'{"for":"bob"}', 1)]
    assert to_charlie.messages == [DeviceMessage(await device_of(charlie), b'{"for":"charlie"}', 1)]
    assert to_bob.message_id == to_charlie.message_id
    assert (to_bob.device_id, to_bob.device_number) == (await device_of(alice), 1)
    assert to_bob.transaction_id == "1"


async def test_all_devices_are_sent_to_but_those_that_have_a_message_of_their_own(
    house: House, alice: User, bob: User
) -> None:
    phone = await device_of(bob)

    await send(alice, {bob.user_id: {"*": {"n": 1}, phone: {"n": 2}}, alice.user_id: {"*": {}}})

    to_bob, to_alice = await written(house)
    assert to_bob.messages == [DeviceMessage(phone, b'{"n":2}', 1)]
    assert to_alice.messages == [DeviceMessage(await device_of(alice), b"{}", 1)]


async def test_messages_to_other_servers_wait_in_the_log_as_they_are(
    house: House, alice: User
) -> None:
    await send(alice, {_REMOTE: {"*": {"n": 1}, "PHONE": {"n": 2}}})

    [record] = await written(house)
    assert record.user_id == _REMOTE
    assert record.messages == [DeviceMessage("*", b'{"n":1}'), DeviceMessage("PHONE", b'{"n":2}')]


async def test_nothing_is_written_to_users_and_devices_that_there_are_not(
    house: House, alice: User, bob: User
) -> None:
    messages: dict[str, Any] = {"@nobody:xylem.test": {"*": {}}, bob.user_id: {"GONE": {}}}

    assert await send(alice, messages) == (200, {})
    assert await send(alice, {}, "2") == (200, {})
    assert await written(house) == []


async def test_a_repeat_is_answered_and_writes_nothing(
    house: House, alice: User, bob: User
) -> None:
    messages: dict[str, Any] = {bob.user_id: {"*": {}}}
    for _ in range(2):
        assert await send(alice, messages) == (200, {})
    await send(alice, messages, kind="m.other")
    path = "/_matrix/client/r0/sendToDevice/m.r0/1"
    answer = await alice.client.put(path, {"messages": messages})

    assert answer.status == 200
    assert [one.type for one in await written(house)] == ["m.test", "m.other", "m.r0"]


@pytest.mark.parametrize(
    ("messages", "refused"),
    [
        (None, (400, "M_MISSING_PARAM")),
        ([], (400, "M_BAD_JSON")),
        ({"@bob:xylem.test": []}, (400, "M_BAD_JSON")),
        ({"@bob:xylem.test": {"*": "text"}}, (400, "M_BAD_JSON")),
        ({"bob": {"*": {}}}, (400, "M_INVALID_PARAM")),
        ({"@bob:xylem.test": {"D" * 256: {}}}, (400, "M_INVALID_PARAM")),
        ({"@bob:xylem.test": {"*": {"text": "x" * 65_536}}}, (413, "M_TOO_LARGE")),
        ({f"@user{number}:xylem.test": {} for number in range(1001)}, (400, "M_INVALID_PARAM")),
    ],
)
async def test_what_is_malformed_or_too_large_is_refused(
    house: House, alice: User, messages: Any, refused: tuple[int, str]
) -> None:
    assert await send(alice, messages) == refused
    assert await written(house) == []


async def test_a_transaction_id_that_is_too_long_is_refused(alice: User) -> None:
    assert await send(alice, {}, "t" * 256) == (400, "M_INVALID_PARAM")


async def test_guests_may_send_to_devices(house: House, bob: User) -> None:
    guest = await house.guest()

    assert await send(guest, {bob.user_id: {"*": {}}}) == (200, {})
    assert len(await written(house)) == 1
