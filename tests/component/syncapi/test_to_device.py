"""Messages to devices as /sync gives them: in order, until they have arrived, and then no more."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.to_device import DROPPED
from logs.records.client_data import TokensRevoked
from logs.records.to_device import DeviceMessage, MessagesSent
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, running_house
from tests.component.syncapi.to_device_messages import given, to_device

_LONG_MS = 30_000
_LAPTOP = f"{ALICE}/LAPTOP"


async def test_a_device_gets_what_it_was_sent_with_its_sender_and_type(house: House) -> None:
    since = (await house.sync(ALICE))["next_batch"]
    await house.send_to_device(to_device("PHONE", text="hello", sender=CHARLIE, kind="m.dummy"))

    answer = await house.sync(ALICE, since)

    assert answer["to_device"]["events"] == [
        {"type": "m.dummy", "sender": CHARLIE, "content": {"text": "hello"}}
    ]


async def test_messages_come_in_order_to_their_device_alone(house: House) -> None:
    for number in range(5):
        await house.send_to_device(to_device("PHONE", text=f"phone{number}"))
        await house.send_to_device(to_device("LAPTOP", text=f"laptop{number}"))
        await house.send_to_device(to_device("PHONE", text="other", user_id=BOB))

    assert given(await house.sync(ALICE)) == [f"phone{number}" for number in range(5)]
    assert given(await house.sync(_LAPTOP)) == [f"laptop{number}" for number in range(5)]


async def test_messages_are_given_again_until_the_next_token_says_that_they_arrived(
    house: House,
) -> None:
    first = (await house.sync(ALICE))["next_batch"]
    await house.send_to_device(to_device("PHONE", text="one"))
    second = await house.sync(ALICE, first)
    again = await house.sync(ALICE, first)
    await house.send_to_device(to_device("PHONE", text="two"))
    both = await house.sync(ALICE, first)

    third = await house.sync(ALICE, second["next_batch"])
    late = await house.sync(ALICE, first)
    afresh = await house.sync(ALICE)

    assert [given(one) for one in (second, again, both)] == [["one"], ["one"], ["one", "two"]]
    assert [given(one) for one in (third, late, afresh)] == [["two"]] * 3
    assert given(await house.sync(ALICE, third["next_batch"])) == []
    assert given(await house.sync(ALICE)) == []


async def test_a_device_without_messages_leaves_others_theirs(house: House) -> None:
    await house.send_to_device(to_device("PHONE", text="one"))
    laptop = await house.sync(_LAPTOP)
    await house.sync(_LAPTOP, laptop["next_batch"])

    assert given(laptop) == []
    assert given(await house.sync(ALICE)) == ["one"]


async def test_many_messages_come_in_several_answers_at_once_after_one_another(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    settings = SyncApiSettings(to_device_messages=3)
    async with running_house(tmp_path, database_url, settings, partitions=3) as house:
        await house.put(*room.created())
        await house.send_to_device(*(to_device("PHONE", text=str(number)) for number in range(7)))
        await house.projected()
        answers = [await house.sync(ALICE)]
        for _ in range(2):
            since = answers[-1]["next_batch"]
            answers.append(await house.sync(ALICE, since, timeout=_LONG_MS))
        rest = await house.sync(ALICE, answers[-1]["next_batch"])

    assert [given(one) for one in answers] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert ["join" in one["rooms"] for one in answers] == [True, False, False]
    assert given(rest) == []


async def test_a_message_wakes_the_long_poll_of_its_device_and_no_other(house: House) -> None:
    tokens = {one: (await house.sync(one))["next_batch"] for one in (ALICE, _LAPTOP)}
    laptop = asyncio.create_task(house.sync(_LAPTOP, tokens[_LAPTOP], timeout=_LONG_MS))
    await house.until_waiting(ALICE)
    phone = asyncio.create_task(house.sync(ALICE, tokens[ALICE], timeout=_LONG_MS))
    await house.sync(BOB)

    await house.send_to_device(to_device("PHONE", text="hello"))
    answer = await phone
    still_waits = not laptop.done() and house.sync_api.is_waiting(ALICE)
    await house.send_to_device(to_device("LAPTOP", text="you too"))

    assert given(answer) == ["hello"]
    assert still_waits
    assert given(await laptop) == ["you too"]


async def test_a_repeated_request_sends_nothing_another_type_does(house: House) -> None:
    for text in ("first", "repeat"):
        await house.send_to_device(to_device("PHONE", text=text, transaction_id="t"))
    batch = [to_device("PHONE", text=text, transaction_id="u") for text in ("second", "repeat")]
    await house.send_to_device(*batch)
    await house.send_to_device(
        to_device("PHONE", text="other type", transaction_id="t", kind="m.other"),
        to_device("PHONE", text="other sender", transaction_id="t", sender=CHARLIE),
    )

    assert given(await house.sync(ALICE)) == ["first", "second", "other type", "other sender"]


async def test_messages_to_other_servers_are_passed_over(house: House) -> None:
    remote = to_device("PHONE", text="remote", user_id="@alice:elsewhere.test")
    messages = [DeviceMessage("*", b"{}")]
    await house.send_to_device(MessagesSent(**{**_fields(remote), "messages": messages}))
    await house.send_to_device(to_device("PHONE", text="local"))

    assert given(await house.sync(ALICE)) == ["local"]


def _fields(record: MessagesSent) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


@pytest.mark.parametrize("device_id", ["PHONE", None])
async def test_a_removed_device_s_messages_go_and_its_successor_gets_none_of_them(
    house: House, device_id: str | None
) -> None:
    await house.send_to_device(to_device("PHONE", text="early", number=3))
    await house.projected()
    await house.put_client_data(TokensRevoked(ALICE, device_id, removed_up_to=3))
    await house.projected()
    await house.send_to_device(to_device("PHONE", text="late", number=3))
    await house.send_to_device(to_device("PHONE", text="to the next", number=4))

    house.accounts.device_numbers[ALICE] = 3
    former = given(await house.sync(ALICE))
    house.accounts.device_numbers[ALICE] = 4
    successor = given(await house.sync(ALICE))

    assert (former, successor) == ([], ["to the next"])


async def test_tokens_that_are_revoked_leave_a_device_its_messages(house: House) -> None:
    await house.send_to_device(to_device("PHONE", text="hello", number=3))
    await house.projected()
    await house.put_client_data(TokensRevoked(ALICE, "PHONE"))

    house.accounts.device_numbers[ALICE] = 3
    assert given(await house.sync(ALICE)) == ["hello"]


async def test_of_too_many_messages_the_oldest_are_dropped_and_counted(
    tmp_path: Path, database_url: str
) -> None:
    settings = SyncApiSettings(queued_to_device_messages=10)
    async with running_house(tmp_path, database_url, settings) as house:
        for number in range(30):
            await house.send_to_device(to_device("PHONE", text=str(number)))
            await house.projected()
        texts = given(await house.sync(ALICE))
        [dropped] = [
            reading.value
            for source in house.sync_api.readings
            for reading in source()
            if reading.family is DROPPED
        ]

    assert 10 <= len(texts) <= 11
    assert texts == [str(number) for number in range(30 - len(texts), 30)]
    assert dropped == 30 - len(texts)


async def test_messages_wait_through_a_restart(tmp_path: Path, database_url: str) -> None:
    async with running_house(tmp_path, database_url) as house:
        since = (await house.sync(ALICE))["next_batch"]
        await house.send_to_device(to_device("PHONE", text="one"), to_device("PHONE", text="two"))
        second = await house.sync(ALICE, since)

    async with running_house(tmp_path, database_url) as house:
        again = await house.sync(ALICE, since)
        confirmed = await house.sync(ALICE, second["next_batch"])
        late = await house.sync(ALICE, since)

    assert [given(one) for one in (second, again)] == [["one", "two"]] * 2
    assert [given(one) for one in (confirmed, late)] == [[], []]


@pytest.mark.parametrize("path", ["initialSync", "events"])
async def test_tokens_of_the_endpoints_before_sync_confirm_no_messages(
    house: House, path: str
) -> None:
    room = Room()
    await house.put(*room.created())
    await house.send_to_device(to_device("PHONE", text="hello"))
    await house.projected()
    token = (await house.get(ALICE, path, timeout=0)).json["end"]

    assert given(await house.sync(ALICE, token)) == ["hello"]
    assert given(await house.sync(ALICE)) == ["hello"]
