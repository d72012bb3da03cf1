"""What projects client sync's topics into one copy of its tables, with the memory that it feeds."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from base.clock import Clock
from base.database import Database
from components.syncapi.changes import ClientDataNews, RoomNews
from components.syncapi.memory.projected import Projected
from components.syncapi.position import SyncPosition
from components.syncapi.projection.consumer import ClientDataProjection, RoomProjection
from components.syncapi.projection.receipt_consumer import ReceiptProjection
from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.rooms.confirming import NewReceipts
from components.syncapi.tokens import Era, SyncTokens
from logs.following.projected_topic import ProjectedTopic, Projection, stored_positions
from logs.log import Log, LogRun
from logs.records.client_data import OutputClientData
from logs.records.receipts import OutputReceipt
from logs.records.room_output import OutputRoomEvent
from logs.topics import OUTPUT_CLIENT_DATA, OUTPUT_RECEIPT, OUTPUT_ROOM_EVENT, OUTPUT_TYPING

T = TypeVar("T")
N = TypeVar("N")

NAME: Final = "syncapi"
"""Of the consumers, in all copies of the tables."""

_NOT_REBUILT: Final[Mapping[str, int]] = {}


class ProjectedTopics(NamedTuple):
    """What is projected, and the memory that hears of it."""

    rooms: ProjectedTopic[OutputRoomEvent, RoomNews]
    client_data: ProjectedTopic[OutputClientData, ClientDataNews]
    receipts: ProjectedTopic[OutputReceipt, NewReceipts]
    projected: Projected

    @property
    def all(self) -> Sequence[ProjectedTopic[Any, Any]]:
        """Each of them."""
        return (self.rooms, self.client_data, self.receipts)


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


async def project_topics(
    *,
    log: Log,
    database: Database,
    settings: SyncApiSettings,
    clock: Clock,
    tokens: SyncTokens,
    group: str = NAME,
    covered: Mapping[str, int] = _NOT_REBUILT,
) -> ProjectedTopics:
    """Return what projects into a copy of the tables; nothing is started.

    Consumers of one `group` share the partitions. `covered` has by room the offset before which
    its records are in the tables already.
    """
    topics = (OUTPUT_ROOM_EVENT.name, OUTPUT_CLIENT_DATA.name, OUTPUT_RECEIPT.name)
    starts = await stored_positions(log, database, NAME, topics)
    projected = Projected(
        SyncPosition(
            starts[OUTPUT_ROOM_EVENT.name],
            starts[OUTPUT_CLIENT_DATA.name],
            starts[OUTPUT_RECEIPT.name],
            (0,) * log.partition_count(OUTPUT_TYPING.name),
        ),
        tokens=tokens,
        database=database,
        settings=settings,
        partition_of=partial(log.partition_of, OUTPUT_ROOM_EVENT.name),
    )

    def topic_of(projection: Projection[T, N]) -> ProjectedTopic[T, N]:
        return ProjectedTopic(
            NAME,
            projection,
            log,
            database,
            followed_bytes=settings.followed_bytes,
            reach_timeout_s=settings.read_your_writes_timeout_s,
            clock=clock,
            group=group,
        )

    return ProjectedTopics(
        topic_of(RoomProjection(projected, covered)),
        topic_of(ClientDataProjection(projected)),
        topic_of(ReceiptProjection(projected)),
        projected,
    )


def _whole(log: Log, topic: str, positions: Mapping[int, int]) -> tuple[int, ...]:
    return tuple([positions.get(number, 0) for number in range(log.partition_count(topic))])
