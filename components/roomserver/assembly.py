"""Puts the room server together."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from base.clock import Clock
from base.database import Database
from base.metrics import CACHE_ENTRIES, Reading, Source
from components.roomserver.cleaning import TransactionCleaner
from components.roomserver.directory import Directory
from components.roomserver.memory import Memory
from components.roomserver.processor import RoomProcessor
from components.roomserver.queries import Queries
from components.roomserver.settings import RoomServerSettings
from components.roomserver.store.tables import SCHEMA
from internalapi.roomserver import InputPosition
from logs.consumer.loop import Consumer
from logs.log import Log, Position
from logs.records.room_input import InputRoomEvent
from logs.topics import INPUT_ROOM_EVENT
from matrix.identifiers import RoomID

__all__ = ["SCHEMA", "RoomServer", "build"]


class RoomServer(NamedTuple):
    """The parts of the room server: what answers, and what has to run."""

    queries: Queries
    directory: Directory
    consumer: Consumer[InputRoomEvent]
    cleaner: TransactionCleaner
    held: Callable[[], Sequence[int]]
    """The partitions whose rooms are in this process's memory."""
    readings: Sequence[Source]
    """What was counted, for metrics."""


def build(
    *, log: Log, database: Database, settings: RoomServerSettings, clock: Clock
) -> RoomServer:
    """Return a room server over its database, opened with `SCHEMA`; nothing is started."""
    memories: dict[int, Memory] = {}

    def make_processor(partition: int) -> RoomProcessor:
        memories[partition] = Memory(settings)
        return RoomProcessor(memories[partition])

    def memory_of(room_id: RoomID) -> Memory:
        partition = log.partition_of(INPUT_ROOM_EVENT.name, room_id)
        # A room of a partition that another process owns is read from the database each time:
        # nothing would tell this memory of its changes.
        is_owned = consumer.position(partition) is not None
        return memories[partition] if is_owned else Memory(settings)

    consumer = Consumer(
        "roomserver",
        INPUT_ROOM_EVENT,
        make_processor,
        log,
        database,
        max_batch=settings.max_batch_events,
        clock=clock,
    )

    def held() -> list[int]:
        partitions = range(log.partition_count(INPUT_ROOM_EVENT.name))
        return [one for one in partitions if consumer.position(one) is not None]

    async def wait_for(position: InputPosition) -> None:
        await consumer.wait_for(Position(position.partition, position.offset), timeout_s=10)

    def cached() -> Iterator[Reading]:
        for cache in ("rooms", "events", "nodes"):
            total = sum(len(getattr(memory, cache)) for memory in memories.values())
            yield Reading(CACHE_ENTRIES, ("roomserver", cache), total)

    return RoomServer(
        Queries(database, memory_of, wait_for, settings),
        Directory(database, settings),
        consumer,
        TransactionCleaner(database, clock),
        held,
        (cached,),
    )
