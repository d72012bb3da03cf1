"""How a server is: its processes, its topics, and how far its consumers are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from base.database import (
    Database,
    DatabaseOutage,
    Schema,
    SchemaTooNew,
    SchemaTooOld,
    open_database,
)
from deploy.process.data_directory import DataDirectory
from deploy.process.kept_tables import KEPT, KeptTables, serving_schema
from deploy.settings import ListenerSettings, Settings
from deploy.wiring.internal_calls import InternalCalls, internal_calls
from deploy.wiring.other_processes import urls_of
from internalapi.deadlines import deadline
from internalapi.transport import InternalError
from logs.consumer.tables import ConsumerStore
from logs.log import LogOutage
from logs.topics import TOPICS
from matrix.errors import MatrixError

_TIMEOUT_S: Final = 5.0
_OK: Final = 200


class ProcessLine(msgspec.Struct, frozen=True):
    """A process, or that there is none."""

    component: str
    url: str
    state: str
    """`ready`, `stopping`, or what is wrong."""
    is_well: bool
    version: str = ""
    uptime_s: float = 0.0


class TopicLine(msgspec.Struct, frozen=True):
    """A topic on Kafka."""

    topic: str
    partitions: int
    copies: int
    in_sync: int
    records: int
    """How many it keeps."""


class ConsumerLine(msgspec.Struct, frozen=True):
    """How far a consumer is, per partition."""

    consumer: str
    topic: str
    positions: dict[int, int]
    lag: dict[int, int] | None
    """Records that are not processed yet; `None` where the log cannot be asked."""

    @property
    def behind(self) -> int:
        """How many records are not processed yet, as far as that is known."""
        return sum((self.lag or {}).values())


class Status(msgspec.Struct, frozen=True):
    """All of it, and what could not be found out."""

    processes: list[ProcessLine]
    topics: list[TopicLine]
    consumers: list[ConsumerLine]
    problems: list[str]

    @property
    def is_well(self) -> bool:
        """Whether nothing is amiss."""
        return not self.problems and all(one.is_well for one in self.processes)


Bounds = Mapping[str, Mapping[int, tuple[int, int]]]


async def query_status(settings: Settings) -> Status:
    """Look at everything that the settings name; nothing is changed."""
    problems: list[str] = []
    processes = await _processes(settings)
    topics: list[TopicLine] = []
    bounds: Bounds = {}
    try:
        topics, bounds = await _topics(settings)
    except LogOutage as outage:
        problems.append(str(outage))
    missing = TOPICS.keys() - bounds.keys()
    if topics and missing:
        problems.append(f"Topics are missing: {', '.join(sorted(missing))}.")
    consumers = [line async for line in _consumers(settings, bounds, problems)]
    return Status(processes, topics, consumers, problems)


async def _processes(settings: Settings) -> list[ProcessLine]:
    urls = urls_of(settings.internal)
    if not any(urls.values()):
        return [
            await _by_health(listener)
            for listener in settings.listeners
            if "health" in listener.apis
        ]
    async with internal_calls(settings.internal) as calls:
        asked = [(name, url) for name, ones in urls.items() for url in ones]
        found = await asyncio.gather(*(_process(calls, name, url) for name, url in asked))
    unknown = [
        ProcessLine(name, "", "internal.urls does not name it", is_well=True)
        for name, ones in urls.items()
        if not ones
    ]
    return [*found, *unknown]


async def _process(calls: InternalCalls, name: str, url: str) -> ProcessLine:
    try:
        async with deadline(_TIMEOUT_S):
            status = await calls.process(url).query_status()
    except (MatrixError, InternalError) as error:
        return ProcessLine(name, url, _reason(error), is_well=False)
    state = "stopping" if status.is_stopping else "ready"
    if name not in status.components:
        state = f"runs {', '.join(status.components)}"
    return ProcessLine(
        name, url, state, is_well=state == "ready", version=status.version, uptime_s=status.uptime_s
    )


def _reason(error: Exception) -> str:
    """Return what is wrong without the address, which stands beside it."""
    text = str(error).partition("query_status ")[2] or str(error) or type(error).__name__
    return text.partition(":")[0]


async def _by_health(listener: ListenerSettings) -> ProcessLine:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(listener.address, listener.address)  # noqa: S104 (compared)
    url = f"{'https' if listener.tls else 'http'}://{host}:{listener.port}"
    state = "ready"
    try:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url}/health/ready", ssl=False) as answer,
        ):
            if answer.status != _OK:
                state = f"not ready: {await answer.text()}"
    except aiohttp.ClientConnectorError:
        state = "does not run, or cannot be reached"
    except (aiohttp.ClientError, TimeoutError) as error:
        state = str(error) or "does not answer"
    return ProcessLine("the server", url, state, is_well=state == "ready")


async def _topics(settings: Settings) -> tuple[list[TopicLine], Bounds]:
    kafka = settings.log.kafka
    if kafka is None:
        return [], {}
    # Its client library is optional.
    from logs.kafka.topics import describe_topics, topic_bounds  # noqa: PLC0415

    states = await describe_topics(kafka, TOPICS)
    bounds = await topic_bounds(kafka, {name: one.partitions for name, one in states.items()})
    lines = [
        TopicLine(
            name,
            state.partitions,
            state.replicas,
            state.in_sync_replicas,
            sum(end - first for first, end in bounds[name].values()),
        )
        for name, state in states.items()
    ]
    return lines, bounds


async def _consumers(
    settings: Settings, bounds: Bounds, problems: list[str]
) -> AsyncIterator[ConsumerLine]:
    url = DataDirectory(settings).database_url
    folder = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite") and not await asyncio.to_thread(folder.exists):
        problems.append("There are no databases yet.")
        return
    for kept in KEPT:
        try:
            for line in await _consumers_of(kept, url, bounds):
                yield line
        except (DatabaseOutage, SchemaTooNew, SchemaTooOld) as error:
            problems.append(f"{kept.name}: {error}")


async def _consumers_of(kept: KeptTables, url: str, bounds: Bounds) -> list[ConsumerLine]:
    topics = [topic.name for topic in kept.component.consumes]
    if not topics:
        return []
    async with _database(url, await serving_schema(kept, url)) as database:
        return [
            _consumer(
                kept.name,
                topic,
                await database.read(ConsumerStore(kept.name, topic).select_offsets),
                bounds.get(topic),
            )
            for topic in topics
        ]


@contextlib.asynccontextmanager
async def _database(url: str, schema: Schema) -> AsyncIterator[Database]:
    database = await open_database(url, schema, may_migrate=False)
    try:
        yield database
    finally:
        await database.close()


def _consumer(
    name: str,
    topic: str,
    positions: Mapping[int, int],
    bounds: Mapping[int, tuple[int, int]] | None,
) -> ConsumerLine:
    lag = None
    if bounds is not None:
        lag = {number: end - positions.get(number, 0) for number, (_, end) in bounds.items()}
    return ConsumerLine(name, topic, dict(sorted(positions.items())), lag)
