"""A process to be killed: it appends numbers, or consumes them into a ledger, until it dies.

`append FOLDER` prints each acknowledged number; `consume URL HOST…` prints `ready`;
`compact FOLDER` prints offset and number of each record that is kept while others are let go and
files written again. What it appends goes on where the log ends. A limit on file size stands in for
a full disk: `fill FOLDER BYTES`.
"""

import asyncio
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from logs.embedded import EmbeddedLog
from logs.log import Log, LogOutage
from tests.contract.logs.ledger import make_consumer, open_ledger
from tests.contract.logs.under_test import TOPICS, host_from, numbered, value_of


async def append(folder: str) -> None:
    """Append from several tasks, each its own numbers in order, and tell what is durable."""
    log = await EmbeddedLog.open(Path(folder), TOPICS, segment_bytes=20_000)

    async def write(task: int) -> None:
        first = (await log.bounds("Numbers"))[0][1]
        for turn in range(1_000_000):
            values = [task * 10**9 + first * 1000 + turn * 3 + place for place in range(3)]
            await log.append("Numbers", numbered(*values))
            _tell(*values)

    await asyncio.gather(*(write(task) for task in range(4)))


async def compact(folder: str) -> None:
    """Rewrite files all the time, while some records are kept and most may go; tell the kept."""
    log = await EmbeddedLog.open(Path(folder), TOPICS, segment_bytes=20_000)

    async def keep() -> None:
        first = (await log.bounds("Numbers"))[0][1]
        for value in range(first, 1_000_000):
            [position] = await log.append("Numbers", numbered(value))
            _tell(position.offset, value)

    async def let_go() -> None:
        for value in range(1_000_000):
            await log.append("Spread", numbered(*[value] * 50, key=f"k{value}"))
            ends = {number: end for number, (_, end) in (await log.bounds("Spread")).items()}
            await log.trim("Spread", ends)

    async def rewrite() -> None:
        while True:
            await log.compact()
            await asyncio.sleep(0)

    await asyncio.gather(keep(), let_go(), rewrite())


async def append_more(log: Log) -> None:
    """Append the numbers that follow the last one in the log."""
    end = (await log.bounds("Numbers"))[0][1]
    for value in range(end, 1_000_000):
        await log.append("Numbers", numbered(value))


async def consume(url: str, host: Sequence[str]) -> None:
    """Run the ledger, and another one that consumes its output."""
    log = await host_from(host).open()
    database = await open_ledger(url)
    consumer = make_consumer(log, database, max_batch=7)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(consumer.run())
        if host[0] == "embedded":
            # Nobody else can write to this log.
            tasks.create_task(append_more(log))
        _tell("ready")


async def fill(folder: str, limit: str) -> None:
    """Append until the file may not grow, then again once it may; tell what was acknowledged."""
    log = await EmbeddedLog.open(Path(folder), TOPICS)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
    value = 0
    refused = 0
    while refused < 3:
        results = await asyncio.gather(
            *(log.append("Numbers", numbered(value + place)) for place in range(5)),
            return_exceptions=True,
        )
        for place, result in enumerate(results):
            if isinstance(result, LogOutage):
                refused += 1
            elif isinstance(result, BaseException):
                raise result
            else:
                _tell(value + place)
        value += 5
    reader = await log.tail("Numbers", {0: 0})
    _tell("seen", *[value_of(record) for record in await reader.read()])
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await log.append("Numbers", numbered(-1))
    _tell(-1)
    await log.close()


def _tell(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 — the test reads it


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["append", folder]:
            asyncio.run(append(folder))
        case ["compact", folder]:
            asyncio.run(compact(folder))
        case ["consume", url, *host]:
            asyncio.run(consume(url, host))
        case ["fill", folder, limit]:
            asyncio.run(fill(folder, limit))
