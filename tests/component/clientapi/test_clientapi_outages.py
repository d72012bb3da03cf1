"""What clients hear while parts are away, and what several replicas do to each other."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from base.clock import ManualClock
from logs.embedded import EmbeddedLog
from logs.log import Outgoing
from logs.records.room_output import InputRepeated
from logs.topics import OUTPUT_ROOM_EVENT, TOPICS
from matrix.errors import LimitExceeded
from matrix.identifiers import EventID
from roomwriting.outcomes import Outcomes
from tests.component.clientapi.clientapi_server import (
    NO_RATES,
    V3,
    House,
    Options,
    User,
    running_house,
    with_settings,
)

PUB = f"{V3}/directory/room/{quote('#pub:xylem.test')}"


async def test_a_request_waits_for_the_room_server_only_so_long(tmp_path: Path) -> None:
    settings = with_settings(outcome_timeout_s=0.05).settings
    async with running_house(tmp_path, Options(settings=settings, rooms_run=False)) as house:
        alice = await house.user("alice")

        answer = await alice.post("/createRoom", {"room_alias_name": "pub"})

        assert (answer.status, answer.errcode) == (503, "M_UNKNOWN")
        assert (await house.client.get(PUB)).status == 404


async def test_nothing_is_written_before_verdicts_can_be_heard(tmp_path: Path) -> None:
    async with running_house(tmp_path, Options(outcomes_run=False)) as house:
        alice = await house.user("alice")

        answer = await alice.post("/createRoom", {"room_alias_name": "pub"})

        assert (answer.status, answer.errcode) == (503, "M_UNKNOWN")
        assert (await house.client.get(PUB)).status == 404
        assert (await house.log.bounds("InputRoomEvent"))[0] == (0, 0)


async def test_without_the_log_writing_is_unavailable(house: House, alice: User) -> None:
    room_id = await alice.create_room()
    await house.log.close()

    sent = await alice.send(room_id)
    created = await alice.post("/createRoom", {"room_alias_name": "pub"})

    assert (sent.status, sent.errcode) == (503, "M_UNKNOWN")
    assert (created.status, created.errcode) == (503, "M_UNKNOWN")
    assert (await house.client.get(PUB)).status == 404


async def test_too_many_waiting_events_are_refused(tmp_path: Path) -> None:
    log = await EmbeddedLog.open(tmp_path, dict.fromkeys(TOPICS, 1))
    outcomes = Outcomes(log, "clientapi", max_waiting=2)
    running = asyncio.create_task(outcomes.run())
    await outcomes.wait_ready()
    outcomes.expect(EventID("$1"))
    outcomes.expect(EventID("$2"))

    with pytest.raises(LimitExceeded):
        outcomes.expect(EventID("$3"))
    outcomes.forget(EventID("$1"))
    outcomes.expect(EventID("$3"))

    running.cancel()
    await asyncio.wait([running])
    await log.close()


async def test_a_name_for_more_rooms_than_events_may_wait_has_to_be_set_again(
    tmp_path: Path,
) -> None:
    settings = with_settings(max_waiting_sends=10, rooms_updated_at_once=30)
    async with running_house(tmp_path, settings) as house:
        alice = await house.user("alice")
        for _ in range(30):
            await alice.create_room()

        path = f"/profile/{quote(alice.user_id)}/displayname"
        answer = await alice.put(path, {"displayname": "Alice"})

    assert (answer.status, answer.errcode) == (429, "M_LIMIT_EXCEEDED")


async def test_more_than_a_few_waiting_events_are_refused_while_verdicts_take_too_long(
    tmp_path: Path,
) -> None:
    log = await EmbeddedLog.open(tmp_path, dict.fromkeys(TOPICS, 1))
    clock = ManualClock()
    outcomes = Outcomes(log, "clientapi", max_waiting=1000, max_delay_s=10, clock=clock)
    running = asyncio.create_task(outcomes.run())
    await outcomes.wait_ready()
    first = outcomes.expect(EventID("$0"))
    clock.advance_ms(12_000)
    for number in range(1, 100):
        outcomes.expect(EventID(f"${number}"))

    with pytest.raises(LimitExceeded) as refused:
        outcomes.expect(EventID("$100"))
    accepted = InputRepeated("!room", "$0", "$0")
    await log.append(
        OUTPUT_ROOM_EVENT.name, [Outgoing("!room", OUTPUT_ROOM_EVENT.encode(accepted))]
    )
    await first
    outcomes.expect(EventID("$101"))
    with pytest.raises(LimitExceeded):
        outcomes.expect(EventID("$102"))
    for number in range(102):
        outcomes.forget(EventID(f"${number}"))
    outcomes.expect(EventID("$103"))

    assert refused.value.retry_after_ms == 12_000
    counted = {reading.labels: reading.value for reading in outcomes.readings()}
    assert counted[("late",)] == 2
    assert counted[("many",)] == 0
    running.cancel()
    await asyncio.wait([running])
    await log.close()


async def test_two_replicas_write_into_one_room(tmp_path: Path) -> None:
    async with running_house(tmp_path, Options(settings=NO_RATES, replicas=2)) as house:
        alice = await house.user("alice")
        room_id = await alice.create_room()
        path = f"{V3}/rooms/{quote(room_id)}/send/m.room.message"

        answers = await asyncio.gather(
            *(
                alice.replicas[number % 2].put(f"{path}/{number}", {"body": f"{number}"})
                for number in range(40)
            )
        )

        assert {answer.status for answer in answers} == {200}
        events = {event.event_id for event in await house.history(room_id)}
        assert {answer.json["event_id"] for answer in answers} <= events


async def test_a_transaction_repeated_at_another_replica_is_the_same_event(
    tmp_path: Path,
) -> None:
    async with running_house(tmp_path, Options(replicas=2)) as house:
        alice = await house.user("alice")
        room_id = await alice.create_room()
        path = f"{V3}/rooms/{quote(room_id)}/send/m.room.message/same"

        first = await alice.replicas[0].put(path, {"body": "hello"})
        second = await alice.replicas[1].put(path, {"body": "hello"})

        assert first.status == 200
        assert second.json == first.json


async def test_a_change_through_one_replica_holds_at_the_other(tmp_path: Path) -> None:
    async with running_house(tmp_path, Options(replicas=2)) as house:
        alice, bob = await house.user("alice"), await house.user("bob")
        room_id = await alice.create_room(preset="public_chat")
        room = f"{V3}/rooms/{quote(room_id)}"
        await bob.replicas[0].post(f"{room}/join", {})
        sent = await bob.replicas[1].put(f"{room}/send/m.room.message/1", {"body": "hello"})
        await alice.replicas[0].post(f"{room}/ban", {"user_id": bob.user_id})

        refused = await bob.replicas[1].put(f"{room}/send/m.room.message/2", {"body": "hello"})

        assert sent.status == 200
        assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")


async def test_a_verdict_whose_text_is_damaged_does_not_hold_up_the_next(tmp_path: Path) -> None:
    log = await EmbeddedLog.open(tmp_path, dict.fromkeys(TOPICS, 1))
    outcomes = Outcomes(log, "clientapi", max_waiting=2)
    running = asyncio.create_task(outcomes.run())
    await outcomes.wait_ready()
    second = outcomes.expect(EventID("$2"))

    whole = OUTPUT_ROOM_EVENT.encode(InputRepeated("!room", "$2", "$2"))
    damaged = whole.replace(b"!room", b"!\xff\xfeom")
    for value in (damaged, whole):
        await log.append(OUTPUT_ROOM_EVENT.name, [Outgoing("!room", value)])
    async with asyncio.timeout(10):
        assert (await second).event_id == "$2"

    counted = {reading.family.name: reading.value for reading in outcomes.readings()}
    assert counted["xylem_reader_undecodable_total"] == 1
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    await log.close()
