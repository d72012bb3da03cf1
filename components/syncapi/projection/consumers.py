"""The consumers of client sync's topics over one copy of its tables, with the memory they feed."""

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple

from base.clock import Clock
from base.database import Database
from components.syncapi.memory.projected import Projected
from components.syncapi.position import SyncPosition
from components.syncapi.projection.consumer import ClientDataProcessor, RoomEventProcessor
from components.syncapi.projection.receipt_consumer import ReceiptProjection
from components.syncapi.settings import SyncApiSettings
from components.syncapi.tokens import Era, SyncTokens
from logs.consumer.loop import Consumer
from logs.following.gate import Gate
from logs.log import Log, LogRun
from logs.records.client_data import OutputClientData
from logs.records.receipts import OutputReceipt
from logs.records.room_output import OutputRoomEvent
from logs.topics import OUTPUT_CLIENT_DATA, OUTPUT_RECEIPT, OUTPUT_ROOM_EVENT, OUTPUT_TYPING

NAME: Final = "syncapi"
"""Of the consumers, in all copies of the tables."""

_NOT_REBUILT: Final[Mapping[str, int]] = {}


class Consumers(NamedTuple):
    """What projects, and what it lets memory know."""

    room_events: Consumer[OutputRoomEvent]
    client_data: Consumer[OutputClientData]
    receipts: Consumer[OutputReceipt]
    projected: Projected
    rooms_gate: Gate
    data_gate: Gate
    receipts_gate: Gate

    def room_processor(
        self, partition: int, covered: Mapping[str, int] = _NOT_REBUILT
    ) -> RoomEventProcessor:
        """Return what projects a partition of OutputRoomEvent."""
        return RoomEventProcessor(partition, self.projected, self.rooms_gate, covered)

    def data_processor(self, partition: int) -> ClientDataProcessor:
        """Return what projects a partition of OutputClientData."""
        return ClientDataProcessor(partition, self.projected, self.data_gate)

    def receipt_processor(self, partition: int) -> ReceiptProjection:
        """Return what projects a partition of OutputReceipt."""
        return ReceiptProjection(partition, self.projected, self.receipts_gate)


def tokens_of(log: Log, copy: int) -> SyncTokens:
    """Return the tokens of one copy of the tables: those of others are void."""
    generation = f"{log.generation}#{copy}" if copy else log.generation
    return SyncTokens(
        [
            Era(f"{generation}/{run.name}" if run.name else generation, _ends_of(log, run))
            for run in log.runs
        ],
        log.partition_count(OUTPUT_ROOM_EVENT.name),
        log.partition_count(OUTPUT_CLIENT_DATA.name),
        receipt_partitions=log.partition_count(OUTPUT_RECEIPT.name),
        typing_partitions=log.partition_count(OUTPUT_TYPING.name),
    )


def _ends_of(log: Log, run: LogRun) -> SyncPosition | None:
    """Return where a run ended; topics and partitions that it did not have had nothing."""
    if run.ends is None:
        return None
    topics = (OUTPUT_ROOM_EVENT, OUTPUT_CLIENT_DATA, OUTPUT_RECEIPT, OUTPUT_TYPING)
    return SyncPosition(
        *(
            _whole(log, topic.name, dict(enumerate(run.ends.get(topic.name, ()))))
            for topic in topics
        )
    )


async def make_consumers(
    *,
    log: Log,
    database: Database,
    settings: SyncApiSettings,
    clock: Clock,
    tokens: SyncTokens,
    group: str = NAME,
    covered: Mapping[str, int] = _NOT_REBUILT,
) -> Consumers:
    """Return the consumers over a copy of the tables; nothing is started.

    Those of one `group` share the partitions. `covered` has by room the offset before which its
    records are in the tables already.
    """
    room_events = Consumer(
        NAME,
        OUTPUT_ROOM_EVENT,
        lambda partition: made.room_processor(partition, covered),
        log,
        database,
        clock=clock,
        group=group,
    )
    client_data = Consumer(
        NAME,
        OUTPUT_CLIENT_DATA,
        lambda partition: made.data_processor(partition),  # noqa: PLW0108 (is made below)
        log,
        database,
        clock=clock,
        group=group,
    )
    receipts = Consumer(
        NAME,
        OUTPUT_RECEIPT,
        lambda partition: made.receipt_processor(partition),  # noqa: PLW0108 (as above)
        log,
        database,
        clock=clock,
        group=group,
    )
    projected = Projected(
        SyncPosition(
            _whole(log, OUTPUT_ROOM_EVENT.name, await room_events.positions()),
            _whole(log, OUTPUT_CLIENT_DATA.name, await client_data.positions()),
            _whole(log, OUTPUT_RECEIPT.name, await receipts.positions()),
            (0,) * log.partition_count(OUTPUT_TYPING.name),
        ),
        tokens=tokens,
        database=database,
        settings=settings,
        partition_of=partial(log.partition_of, OUTPUT_ROOM_EVENT.name),
    )
    made = Consumers(
        room_events,
        client_data,
        receipts,
        projected,
        Gate(projected.rooms, room_events.position),
        Gate(projected.client_data, client_data.position),
        Gate(projected.receipts, receipts.position),
    )
    return made


def _whole(log: Log, topic: str, positions: Mapping[int, int]) -> tuple[int, ...]:
    return tuple([positions.get(number, 0) for number in range(log.partition_count(topic))])
