"""What a dehydrated device was sent, as the client gets it that goes on with the device."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from base.http.testing import Answer
from components.syncapi.settings import SyncApiSettings
from internalapi.userapi import KnownDevice
from logs.records.client_data import TokensRevoked
from matrix.identifiers import DeviceID
from tests.component.syncapi.kept_histories import Announced, rebuilt
from tests.component.syncapi.replicas import two_replicas
from tests.component.syncapi.story import ALICE, BOB, House, running_house
from tests.component.syncapi.to_device_messages import given, to_device
from tests.fixtures.dropped_records import drop_records

_FEW = SyncApiSettings(to_device_messages=2)


def dehydrate(house: House, device_id: str = "DRIED", number: int = 7) -> None:
    house.accounts.dehydrated[ALICE] = KnownDevice(ALICE, DeviceID(device_id), number)


async def ask(
    house: House, token: str | None = None, *, who: str = ALICE, device_id: str = "DRIED"
) -> Answer:
    path = f"org.matrix.msc3814.v1/dehydrated_device/{quote(device_id, safe='')}/events"
    return await house.post_unstable(who, path, {} if token is None else {"next_batch": token})


async def read_by_get(house: House, token: str | None = None) -> Answer:
    path = "org.matrix.msc3814.v1/dehydrated_device/DRIED/events"
    return await house.get(ALICE, path, version="unstable", from_=token)


def texts(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.json
    return [event["content"]["text"] for event in answer.json["events"]]


async def all_of(house: House, token: str | None = None) -> list[list[str]]:
    """Return all batches up to the empty one."""
    batches: list[list[str]] = []
    while not batches or batches[-1]:
        answer = await ask(house, token)
        batches.append(texts(answer))
        token = answer.json["next_batch"]
    return batches


async def test_messages_come_in_batches_up_to_an_empty_one_and_stay(
    tmp_path: Path, database_url: str
) -> None:
    async with running_house(tmp_path, database_url, _FEW, partitions=3) as house:
        dehydrate(house)
        await house.send_to_device(
            *(to_device("DRIED", "PHONE", text=str(n), number=7) for n in range(5))
        )
        await house.send_to_device(to_device("DRIED", text="of a former one", number=6))

        first = await all_of(house)
        again = await all_of(house)

    assert first == [["0", "1"], ["2", "3"], ["4"], []]
    assert again == first


async def test_by_get_the_last_batch_is_the_one_without_a_token(
    tmp_path: Path, database_url: str
) -> None:
    async with running_house(tmp_path, database_url, _FEW) as house:
        dehydrate(house)
        none = await read_by_get(house)
        await house.send_to_device(*(to_device("DRIED", text=str(n), number=7) for n in range(4)))
        first = await read_by_get(house)
        second = await read_by_get(house, first.json["next_batch"])
        await house.send_to_device(to_device("DRIED", text="4", number=7))
        later = await read_by_get(house, first.json["next_batch"])
        refused = await read_by_get(house, "x")
        house.accounts.dehydrated.clear()
        gone = await read_by_get(house)

    assert (none.status, none.json) == (200, {"events": []})
    assert [texts(one) for one in (first, second, later)] == [["0", "1"], ["2", "3"], ["2", "3"]]
    assert ["next_batch" in one.json for one in (first, second, later)] == [True, False, True]
    assert (refused.status, refused.errcode) == (400, "M_INVALID_PARAM")
    assert (gone.status, gone.errcode) == (403, "M_FORBIDDEN")


async def test_a_message_is_given_as_it_is_in_sync(house: House) -> None:
    dehydrate(house)
    await house.send_to_device(to_device("DRIED", text="hello", number=7, kind="m.room.encrypted"))

    answer = await ask(house)

    assert answer.json["events"] == [
        {"type": "m.room.encrypted", "sender": BOB, "content": {"text": "hello"}}
    ]


async def test_what_comes_after_the_last_batch_is_in_the_next_one(house: House) -> None:
    dehydrate(house)
    none = await ask(house)
    await house.send_to_device(to_device("DRIED", text="late", number=7))

    later = await ask(house, none.json["next_batch"])

    assert (texts(none), texts(later)) == ([], ["late"])
    assert texts(await ask(house, later.json["next_batch"])) == []


async def test_the_device_s_messages_are_in_no_sync_and_its_tokens_confirm_nothing(
    house: House,
) -> None:
    dehydrate(house)
    await house.send_to_device(to_device("DRIED", text="dried", number=7))
    await house.send_to_device(to_device("PHONE", text="own"))
    token = (await ask(house)).json["next_batch"]

    refused = await house.get(ALICE, "sync", since=token)

    assert (refused.status, refused.errcode) == (400, "M_INVALID_PARAM")
    assert given(await house.sync(ALICE)) == ["own"]


@pytest.mark.parametrize("is_there", [True, False])
async def test_only_one_s_own_dehydrated_device_is_asked_for(
    house: House, *, is_there: bool
) -> None:
    if is_there:
        dehydrate(house)
    answers = [
        await ask(house, device_id="PHONE"),
        await ask(house, device_id="NO/NE"),
        await ask(house, who=BOB),
    ]
    if not is_there:
        answers.append(await ask(house))

    assert {(one.status, one.errcode) for one in answers} == {(403, "M_FORBIDDEN")}


@pytest.mark.parametrize("token", ["d", "dx", "x", "s1", ""])
async def test_a_token_of_something_else_is_refused(house: House, token: str) -> None:
    dehydrate(house)
    since = (await house.sync(ALICE))["next_batch"]

    answers = [await ask(house, token), await ask(house, since)]

    assert {(one.status, one.errcode) for one in answers} == {(400, "M_INVALID_PARAM")}


async def test_a_device_s_messages_go_with_it(house: House) -> None:
    dehydrate(house)
    await house.send_to_device(to_device("DRIED", text="early", number=7))
    token = (await ask(house)).json["next_batch"]
    await house.put_client_data(TokensRevoked(ALICE, "DRIED", removed_up_to=7))
    await house.projected()
    await house.send_to_device(to_device("DRIED", text="to the next", number=8))

    former = texts(await ask(house))
    dehydrate(house, number=8)
    successor = [texts(await ask(house, one)) for one in (None, token)]

    assert former == []
    assert successor == [["to the next"]] * 2


@pytest.mark.parametrize("is_other_log", [True, False])
async def test_batches_go_on_or_begin_again_after_a_rebuild_and_none_is_left_out(
    tmp_path: Path, database_url: str, *, is_other_log: bool
) -> None:
    async with running_house(tmp_path, database_url, _FEW) as house:
        dehydrate(house)
        await house.send_to_device(*(to_device("DRIED", text=str(n), number=7) for n in range(5)))
        token = (await ask(house)).json["next_batch"]
    if not is_other_log:
        await drop_records(tmp_path / "log")
    folder = tmp_path / "next" if is_other_log else tmp_path

    await rebuilt(folder, database_url, Announced())

    async with running_house(folder, database_url, _FEW) as house:
        dehydrate(house)
        await house.send_to_device(to_device("DRIED", text="5", number=7))
        batches = await all_of(house, token)
    if is_other_log:
        # No token tells the places of those that are of a former log.
        assert batches == [["0", "1", "2", "3", "4"], ["5"], []]
    else:
        assert batches == [["2", "3"], ["4", "5"], []]


@pytest.mark.postgres
async def test_replicas_give_what_was_sent_before_they_were_asked(
    tmp_path: Path, postgres_url: str
) -> None:
    async with two_replicas(tmp_path, postgres_url) as replicas:
        given_by: list[Any] = []
        for one in replicas:
            dehydrate(one)
        for number in range(6):
            await replicas[0].send_to_device(to_device("DRIED", text=str(number), number=7))
            given_by += [texts(await ask(one)) for one in replicas]

    assert given_by == [[str(n) for n in range(m + 1)] for m in range(6) for _ in replicas]
