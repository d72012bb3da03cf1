"""What a process tells of itself: probes, metrics and a line per answer."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.clock import ManualClock
from base.database import DatabaseOutage, Schema, open_database
from base.http import application
from base.http.testing import Client
from deploy.settings import ObservingSettings
from deploy.watching.observing import Observing
from deploy.watching.readiness import Readiness
from logs.consumer import Message, Outbox
from logs.consumer.loop import Consumer
from logs.consumer.tables import CONSUMER_SCHEMA
from logs.embedded import EmbeddedLog
from logs.log import Outgoing, Position, Record
from logs.records.room_input import AddState, InputRoomEvent
from logs.tail_reader import Decoding
from logs.topics import INPUT_ROOM_EVENT

TOPIC = INPUT_ROOM_EVENT


class Gate:
    """A processor that lets records through while it is open."""

    def __init__(self) -> None:
        self.is_open = True

    def process(
        self, connection: Connection, messages: Sequence[Message[InputRoomEvent]], outbox: Outbox
    ) -> None:
        del connection, messages, outbox
        if not self.is_open:
            raise DatabaseOutage("closed")

    def committed(self) -> None:
        """Do nothing."""

    def aborted(self) -> None:
        """Do nothing."""


class Process(NamedTuple):
    """A process that is being watched."""

    observing: Observing
    readiness: Readiness
    consumer: Consumer[InputRoomEvent]
    log: EmbeddedLog
    clock: ManualClock
    gate: Gate
    client: Client

    async def ready(self) -> tuple[int, dict[str, str]]:
        """Return status and checks of the probe, looked at again."""
        self.clock.advance_ms(1000)
        answer = await self.client.get("/health/ready")
        return answer.status, answer.json.get("checks", {})

    async def append(self, number: int) -> None:
        """Append records."""
        record = TOPIC.encode(AddState("!room", "$event", "12", []))
        await self.log.append(TOPIC.name, [Outgoing("!room", record)] * number)

    @contextlib.asynccontextmanager
    async def consuming(self) -> AsyncIterator[None]:
        """Let the consumer run."""
        task = asyncio.create_task(self.consumer.run())
        while not self.consumer.is_subscribed:  # noqa: ASYNC110 — nobody tells
            await asyncio.sleep(0)
        yield
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    """A process with a log, a database and one consumer, which does not run yet."""
    clock, gate = ManualClock(), Gate()
    readiness = Readiness(is_patient=False)
    settings = ObservingSettings(max_lag_records=1000, access_log=True)
    observing = Observing(settings, readiness, clock)
    log = await EmbeddedLog.open(tmp_path / "log", {TOPIC.name: 1, "Rejected": 1})
    opened = await open_database(
        "sqlite://", Schema("part", sa.MetaData(), parts=(CONSUMER_SCHEMA,))
    )
    database = observing.database("part", opened)
    consumer = Consumer("part", TOPIC, lambda _: gate, log, database)
    observing.log(log)
    observing.consumer(consumer)
    routers = [observing.metrics_router(), observing.health_router()]
    client = Client(application(routers, observe=observing.observe))
    yield Process(observing, readiness, consumer, log, clock, gate, client)
    await log.close()
    await database.close()


async def test_a_process_that_starts_names_what_is_not_there(process: Process) -> None:
    status, checks = await process.ready()

    assert status == 503
    assert checks["start"] == "It is not there yet."
    assert checks["log"] == checks["part database"] == "ok"
    assert checks["part InputRoomEvent"] == "Partitions are not assigned yet."
    assert (await process.client.get("/health/live")).status == 200


async def test_a_disk_that_is_nearly_full_is_told_before_writes_fail(
    process: Process, tmp_path: Path
) -> None:
    settings = ObservingSettings(min_free_bytes=2**60)
    readiness = Readiness(is_patient=False)
    observing = Observing(settings, readiness, process.clock)
    readiness.started()
    observing.disks({"log": tmp_path, "databases": tmp_path / "nowhere"})
    process.observing.disks({"log": tmp_path})

    answer = await Client(application([observing.health_router()])).get("/health/ready")
    _, checks = await process.ready()

    assert answer.status == 503
    assert "The disk is full, or nearly" in answer.json["checks"]["log disk"]
    assert "cannot be looked at" in answer.json["checks"]["databases disk"]
    assert checks["log disk"] == "ok"


OF_A_NEWER_VERSION: Final = msgspec.msgpack.encode({"record": "split", "room_id": "!room"})
TOO_OLD: Final = (
    "InputRoomEvent/0 has a record of the kind 'split', which this version does not know: "
    "start a newer version."
)


async def test_a_process_that_is_too_old_for_a_record_is_not_ready(process: Process) -> None:
    process.readiness.started()
    async with process.consuming():
        await process.append(2)
        await process.log.append(TOPIC.name, [Outgoing("!room", OF_A_NEWER_VERSION)])
        await process.append(2)
        await process.consumer.wait_for(last(2), 30)
        while not process.consumer.unknown_records:  # noqa: ASYNC110 — nobody tells
            await asyncio.sleep(0)
        status, checks = await process.ready()
        position = process.consumer.position(0)
        metrics = (await process.client.get("/metrics")).body.decode()

    assert (status, position) == (503, 2)
    assert checks["part InputRoomEvent"] == TOO_OLD
    labels = 'consumer="part",topic="InputRoomEvent",partition="0",kind="split"'
    assert f"xylem_consumer_unknown_records{{{labels}}} 1" in metrics


async def test_a_process_whose_memory_is_too_old_for_a_record_is_not_ready(
    process: Process,
) -> None:
    process.readiness.started()
    async with process.consuming():
        _, before = await process.ready()
        decoding = Decoding("part", TOPIC)
        process.observing.sources([decoding.readings])
        decoding.decode([Record(0, 7, "!room", OF_A_NEWER_VERSION, 0, None)])
        status, checks = await process.ready()

    assert (before["topics in memory"], status) == ("ok", 503)
    assert checks["topics in memory"] == TOO_OLD


async def test_a_process_is_ready_once_it_has_caught_up(process: Process) -> None:
    process.readiness.started()
    process.gate.is_open = False
    await process.append(600)
    async with process.consuming():
        behind = await process.ready()
        process.gate.is_open = True
        await process.consumer.wait_for(last(600), 30)
        caught_up = await process.ready()

    assert behind[0] == 503
    assert behind[1]["part InputRoomEvent"] == "It is 600 records behind."
    assert caught_up == (200, dict.fromkeys(caught_up[1], "ok"))


async def test_a_process_that_has_caught_up_may_be_somewhat_behind(process: Process) -> None:
    process.readiness.started()
    async with process.consuming():
        await process.ready()
        process.gate.is_open = False
        await process.append(600)
        somewhat = await process.ready()
        await process.append(600)
        too_far = await process.ready()

    assert somewhat[0] == 200
    assert too_far[0] == 503


async def test_an_outage_is_named_without_its_details(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.readiness.started()

    async def away() -> None:
        raise DatabaseOutage("connection to 10.0.0.7 refused")

    process.observing.checks.add("other", away)
    with caplog.at_level(logging.INFO):
        await process.ready()
        status, checks = await process.ready()

    assert (status, checks["other"]) == (503, "It is away.")
    told = [line for line in caplog.records if line.message == "A dependency is not there"]
    assert [vars(line)["why"] for line in told if vars(line)["what"] == "other"] == [
        "connection to 10.0.0.7 refused"
    ]


async def test_while_the_database_is_away_probes_tell_of_nothing_else(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    async def away() -> None:
        raise DatabaseOutage("connection refused")

    process.observing.checks.add("ground", away, is_ground=True)
    process.observing.checks.add("what stands on it", away)
    with caplog.at_level(logging.INFO):
        _, checks = await process.ready()

    assert checks["ground"] == checks["what stands on it"] == "It is away."
    assert not [line for line in caplog.records if line.name == "deploy.watching.checks"]


async def test_probes_look_at_most_once_a_second(process: Process) -> None:
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1

    process.observing.checks.add("other", look)
    for _ in range(3):
        await process.client.get("/health/ready")

    assert looks == 1


async def test_a_process_that_stops_is_not_ready(process: Process) -> None:
    process.readiness.started()
    process.readiness.stopping()

    answer = await process.client.get("/health/ready")

    assert (answer.status, answer.json) == (503, {"ready": False, "stopping": True})


async def test_metrics_tell_the_lag_as_it_is_now(process: Process) -> None:
    process.gate.is_open = False
    await process.append(7)
    async with process.consuming():
        before = (await process.client.get("/metrics")).body.decode()
        process.gate.is_open = True
        await process.consumer.wait_for(last(7), 30)
        after = (await process.client.get("/metrics")).body.decode()

    labels = '{consumer="part",topic="InputRoomEvent",partition="0"}'
    assert f"xylem_consumer_lag_records{labels} 7" in before
    assert f"xylem_consumer_lag_records{labels} 0" in after
    assert 'xylem_log_appended_records_total{topic="InputRoomEvent"} 7' in after
    assert 'xylem_consumer_batch_records_sum{consumer="part",topic="InputRoomEvent"} 7' in after


async def test_the_access_log_tells_the_route_and_not_the_path(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        answer = await process.client.get("/health/live?secret")

    (line,) = [line for line in caplog.records if line.name == "xylem.access"]
    fields = vars(line)
    assert fields["request"] == answer.headers["x-request-id"]
    assert (fields["method"], fields["route"], fields["status"]) == ("GET", "/health/live", 200)
    assert fields["ms"] >= 0


def last(number: int) -> Position:
    """Return the position of the last of so many records."""
    return Position(0, number - 1)
