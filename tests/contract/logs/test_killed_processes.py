"""Processes are killed at any instant: nothing acknowledged is lost, nothing happens twice."""

import asyncio
import random
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from pathlib import Path

import pytest

from logs.embedded import EmbeddedLog
from tests.contract.logs.ledger import (
    Behaviour,
    catch_up,
    make_consumer,
    open_ledger,
    running,
    select_values,
)
from tests.contract.logs.under_test import (
    DERIVED,
    TOPICS,
    KafkaHost,
    LogHost,
    numbered,
    take,
    value_of,
)

ROOT = Path(__file__).parents[3]


async def _start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.contract.logs.crash_process",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )


async def _kill(process: Process) -> bytes:
    """Kill it and return what it had printed."""
    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    rest = await process.stdout.read()
    assert await process.wait() == -signal.SIGKILL
    return rest


async def test_every_acknowledged_append_survives_kills_exactly_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    acknowledged: list[int] = []
    for _ in range(5):
        process = await _start("append", str(tmp_path / "log"))
        assert process.stdout is not None
        printed = await process.stdout.readline()
        await asyncio.sleep(chance.uniform(0, 0.1))  # any instant will do
        printed += await _kill(process)
        # The last line may be cut; what it says was acknowledged all the same.
        for line in printed.splitlines(keepends=True):
            if line.endswith(b"\n"):
                acknowledged += [int(word) for word in line.split()]

    log = await EmbeddedLog.open(tmp_path / "log", TOPICS)
    first, end = (await log.bounds("Numbers"))[0]
    reader = await log.tail("Numbers", {0: 0})
    records = await take(reader, end)
    await log.close()
    values = Counter(value_of(record) for record in records)
    assert first == 0
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(values)
    assert set(values.values()) == {1}
    assert [record.offset for record in records] == list(range(end))
    # The three records of a call stand together, in order.
    for at in range(0, end, 3):
        one = value_of(records[at])
        assert [value_of(record) for record in records[at : at + 3]] == [one, one + 1, one + 2]


async def test_a_kill_while_files_are_written_again_loses_nothing_and_moves_nothing(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "log"
    chance = random.Random(13)
    acknowledged: dict[int, int] = {}
    interrupted = 0
    for _ in range(6):
        process = await _start("compact", str(folder))
        assert process.stdout is not None
        printed = await process.stdout.readline()
        await asyncio.sleep(chance.uniform(0.1, 0.3))  # until there is something to write again
        async with asyncio.timeout(30):
            while not list(folder.glob("*.new")):  # noqa: ASYNC110 (a file appears)
                await asyncio.sleep(0)
        printed += await _kill(process)
        interrupted += bool(list(folder.glob("*.new")))
        for line in printed.splitlines(keepends=True):
            if line.endswith(b"\n"):
                offset, value = map(int, line.split())
                acknowledged[offset] = value

    log = await EmbeddedLog.open(folder, TOPICS)
    found = {}
    for topic in ("Numbers", "Spread"):
        bounds = await log.bounds(topic)
        tail = await log.tail(topic, {number: first for number, (first, _) in bounds.items()})
        found[topic] = await take(tail, sum(end - first for first, end in bounds.values()))
    first_spread = max(first for first, _ in (await log.bounds("Spread")).values())
    end = (await log.bounds("Numbers"))[0][1]
    await log.close()
    assert interrupted > 0
    assert first_spread > 0
    kept = [(record.offset, value_of(record)) for record in found["Numbers"]]
    assert kept == [(offset, offset) for offset in range(end)]
    assert acknowledged.items() <= set(kept)
    assert len(acknowledged) > 100
    places = [(record.partition, record.offset) for record in found["Spread"]]
    assert len(places) == len(set(places))
    assert not list(folder.glob("*.new"))


async def test_a_killed_consumer_goes_on_and_every_effect_and_output_is_there_once(
    host: LogHost, tmp_path: Path
) -> None:
    chance = random.Random(11)
    url = f"sqlite:///{tmp_path / 'databases'}"
    is_shared = host.arguments()[0] == "kafka"
    log = await host.open()
    appended = 0
    if not is_shared:
        await host.close()
    for _ in range(4):
        process = await _start("consume", url, *host.arguments())
        assert process.stdout is not None
        await process.stdout.readline()
        if is_shared:
            for _ in range(30):
                await log.append("Numbers", numbered(appended))
                appended += 1
        await asyncio.sleep(chance.uniform(0.05, 0.4))  # any instant will do
        await _kill(process)

    log = await host.open()
    database = await open_ledger(url)
    reader_database = await open_ledger(url, "reader")
    last = Behaviour()
    last.passes_on = False
    consumer = make_consumer(log, database)
    reader = make_consumer(log, reader_database, last, topic=DERIVED)
    end = (await log.bounds("Numbers"))[0][1]
    async with running(consumer), running(reader), asyncio.timeout(60):
        await catch_up(consumer, log)
        # Output is appended after the commit: on a busy machine a while later.
        while len(await select_values(reader_database)) < end:  # noqa: ASYNC110 (nothing tells)
            await asyncio.sleep(0.01)
    assert end >= 1
    assert await select_values(database) == list(range(end))
    assert await select_values(reader_database) == list(range(end))
    await database.close()
    await reader_database.close()


async def test_a_full_disk_refuses_appends_and_nothing_of_them_is_seen(tmp_path: Path) -> None:
    process = await _start("fill", str(tmp_path / "log"), "5000")
    output, _ = await process.communicate()
    lines = output.decode().splitlines()

    assert process.returncode == 0
    [seen] = [line.split()[1:] for line in lines if line.startswith("seen")]
    acknowledged = [line for line in lines if not line.startswith("seen")]
    assert acknowledged[-1] == "-1"
    assert seen == acknowledged[:-1]
    assert len(seen) >= 5
    log = await EmbeddedLog.open(tmp_path / "log", TOPICS)
    reader = await log.tail("Numbers", {0: 0})
    records = await take(reader, len(acknowledged))
    assert [value_of(record) for record in records] == [int(word) for word in acknowledged]
    assert (await log.bounds("Numbers"))[0] == (0, len(acknowledged))
    await log.close()


@pytest.mark.kafka
async def test_another_instance_takes_over_from_a_killed_one(
    kafka_broker: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'databases'}"
    host = KafkaHost(kafka_broker)
    log = await host.open()
    process = await _start("consume", url, *host.arguments())
    assert process.stdout is not None
    await process.stdout.readline()
    await log.append("Numbers", numbered(0, 1, 2))
    database = await open_ledger(url)
    async with asyncio.timeout(30):
        while len(await select_values(database)) < 3:  # noqa: ASYNC110 — it is another process's
            await asyncio.sleep(0.02)

    consumer = make_consumer(log, database)
    async with running(consumer):
        await _kill(process)
        await log.append("Numbers", numbered(3, 4))
        await catch_up(consumer, log)

    assert await select_values(database) == [0, 1, 2, 3, 4]
    await database.close()
    await host.close()
