"""What the contract tests share: a log of each kind, records, and an owner that remembers."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from logs.embedded import EmbeddedLog
from logs.kafka.log import KafkaLog
from logs.kafka.settings import KafkaLogSettings
from logs.log import Log, Outgoing, Position, Record, Subscription, Tail
from logs.topics import INPUT_PROCESSED, REJECTED, Topic


class Number(msgspec.Struct, frozen=True):
    """The record of the tests' topics."""

    value: int
    padding: bytes = b""


def _topic(name: str) -> Topic[Number]:
    return Topic(name, Number, key="any", writers="tests", readers="tests", retention_h=24)


NUMBERS: Final = _topic("Numbers")
SPREAD: Final = _topic("Spread")
DERIVED: Final = _topic("Derived")
TOPICS: Final = {"Numbers": 1, "Spread": 4, "Derived": 4, "InputProcessed": 1, "Rejected": 1}


class LogHost(Protocol):
    """Where a log lives: it can be opened, and opened again."""

    async def open(self) -> Log:
        """Return a connection to the log, which `close` closes; the embedded log has but one."""
        ...

    async def close(self) -> None:
        """Close all that was opened."""
        ...

    def arguments(self) -> list[str]:
        """Return how a process of its own finds the log."""
        ...


class EmbeddedHost:
    """An embedded log in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self._log: EmbeddedLog | None = None

    async def open(self) -> Log:
        if self._log is None:
            self._log = await EmbeddedLog.open(self.folder, TOPICS, segment_bytes=64 * 1024)
        return self._log

    async def close(self) -> None:
        if self._log is not None:
            await self._log.close()
            self._log = None

    def arguments(self) -> list[str]:
        return ["embedded", str(self.folder)]


class KafkaHost:
    """Topics of its own on the broker of the tests."""

    def __init__(self, server: str, prefix: str | None = None) -> None:
        self._prefix = prefix or f"{uuid.uuid4().hex[:8]}."
        self._server = server
        self._opened: list[KafkaLog] = []

    async def open(self) -> Log:
        settings = KafkaLogSettings(
            bootstrap_servers=[self._server],
            topic_prefix=self._prefix,
            session_timeout_s=1.5,
            heartbeat_s=0.1,
            append_timeout_s=10,
        )
        log = await KafkaLog.connect(settings)
        self._opened.append(log)
        await log.ensure_topics([NUMBERS, SPREAD, DERIVED, INPUT_PROCESSED, REJECTED], TOPICS)
        return log

    async def close(self) -> None:
        while self._opened:
            await self._opened.pop().close()

    def arguments(self) -> list[str]:
        return ["kafka", self._server, self._prefix]


def host_from(arguments: Sequence[str]) -> LogHost:
    """Return the host that `arguments` described, in another process."""
    if arguments[0] == "embedded":
        return EmbeddedHost(Path(arguments[1]))
    return KafkaHost(arguments[1], arguments[2])


def numbered(*values: int, key: str = "alice") -> list[Outgoing]:
    """Return records of these numbers under one key."""
    return [Outgoing(key, NUMBERS.encode(Number(value))) for value in values]


def value_of(record: Record) -> int:
    """Return the number that a record carries."""
    return NUMBERS.decode(record.value).value


async def take(reader: Tail, count: int) -> list[Record]:
    """Read until this many records have come."""
    found: list[Record] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found += await reader.read()
    return found


class Owner:
    """An owner of partitions that starts at the beginning and remembers what it was told."""

    def __init__(self, name: str = "", story: list[str] | None = None) -> None:
        self.name = name
        self.story: Final[list[str]] = [] if story is None else story
        self.owned: Final[set[int]] = set()
        self.places: Final[dict[int, int]] = {}
        self._changed = asyncio.Event()

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        self.owned.update(partitions)
        self.story.extend(f"{self.name} has {partition}" for partition in partitions)
        self._changed.set()
        return {partition: self.places.get(partition, 0) for partition in partitions}

    async def revoked(self, partitions: Sequence[int]) -> None:
        self.owned.difference_update(partitions)
        self.story.extend(f"{self.name} lost {partition}" for partition in partitions)
        self._changed.set()

    async def wait_until_owning(self, count: int) -> None:
        """Return once exactly this many partitions are owned."""
        async with asyncio.timeout(30):
            while len(self.owned) != count:
                self._changed.clear()
                await self._changed.wait()


async def read_from(subscription: Subscription, count: int) -> list[Record]:
    """Read as a member until this many records have come."""
    found: list[Record] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            batch = await subscription.read(max_records=100)
            found += [record for records in batch.values() for record in records]
    return found


def positions_of(records: Sequence[Record]) -> list[Position]:
    """Return where records were read."""
    return [Position(record.partition, record.offset) for record in records]
