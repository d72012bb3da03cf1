"""Streams over one copy of the tables, with what projects them and the memory that they feed."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from base.clock import Clock
from base.database import Database
from base.slices import Slices
from components.syncapi.memory.projected import Projected
from components.syncapi.position import ROOMS, Offsets, SyncPosition
from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.stream import (
    MomentaryStream,
    ProjectedStream,
    StreamContext,
    StreamKinds,
    SyncStream,
)
from components.syncapi.tokens import Era, Slot, SyncTokens
from logs.following.projected_topic import ProjectedTopic, stored_positions
from logs.log import Log, LogRun

_FORMER_COPIES: Final = 8
"""So many copies before this one are told apart by what their tokens say of arrived messages."""
NAME: Final = "syncapi"
"""Of the consumers, in all copies of the tables."""

_NOT_REBUILT: Final[Mapping[str, int]] = {}


class ProjectedStreams(NamedTuple):
    """All streams over one copy of the tables, in the order of their list."""

    projected: Projected
    streams: Sequence[SyncStream[Any, Any]]
    topics: Sequence[ProjectedTopic[Any, Any]]
    """What projects those that are written into the tables."""
    slices: Slices
    """What long answers share."""

    def momentary(self) -> list[MomentaryStream[Any]]:
        """Return the streams that are in memory only."""
        return [stream for stream in self.streams if isinstance(stream, MomentaryStream)]


def tokens_of(log: Log, copy: int, kinds: StreamKinds) -> SyncTokens:
    """Return the tokens of one copy of the tables: those of others are void."""
    former = range(max(copy - _FORMER_COPIES, 0), copy)
    return SyncTokens(
        _eras_of(log, copy, kinds),
        [
            Slot(
                kind.number,
                log.partition_count(kind.topic.name),
                kind.absent,
                issubclass(kind, ProjectedStream) and kind.is_carried,
            )
            for kind in kinds
        ],
        [era for one in former for era in _eras_of(log, one, kinds)],
    )


def _eras_of(log: Log, copy: int, kinds: StreamKinds) -> list[Era]:
    generation = f"{log.generation}#{copy}" if copy else log.generation
    return [
        Era(f"{generation}/{run.name}" if run.name else generation, _ends_of(log, run, kinds))
        for run in log.runs
    ]


def _ends_of(log: Log, run: LogRun, kinds: StreamKinds) -> SyncPosition | None:
    """Return where a run ended; topics and partitions that it did not have had nothing."""
    if run.ends is None:
        return None
    return tuple([_ends_of_topic(log, run.ends, kind.topic.name) for kind in kinds])


def _ends_of_topic(log: Log, ends: Mapping[str, Sequence[int]], topic: str) -> Offsets:
    known = ends.get(topic, ())[: log.partition_count(topic)]
    return (*known, *[0] * (log.partition_count(topic) - len(known)))


async def project_streams(
    *,
    log: Log,
    database: Database,
    settings: SyncApiSettings,
    clock: Clock,
    tokens: SyncTokens,
    kinds: StreamKinds,
    group: str = NAME,
    covered: Mapping[str, int] = _NOT_REBUILT,
) -> ProjectedStreams:
    """Return the streams over a copy of the tables; nothing is started.

    Consumers of one `group` share the partitions. `covered` has by room the offset before which
    its records are in the tables already.
    """
    names = [kind.topic.name for kind in kinds]
    starts = await stored_positions(log, database, NAME, names)
    projected = Projected(
        tuple([starts[name] for name in names]),
        tokens=tokens,
        database=database,
        settings=settings,
        partition_of=partial(log.partition_of, names[ROOMS]),
    )
    slices = Slices()
    streams = [
        kind(
            StreamContext(
                slot,
                partial(log.partition_of, kind.topic.name),
                log,
                database,
                projected,
                tokens,
                settings,
                slices,
                covered,
            )
        )
        for slot, kind in enumerate(kinds)
    ]
    topics = [
        ProjectedTopic(
            NAME,
            stream,
            log,
            database,
            followed_bytes=settings.followed_bytes,
            reach_timeout_s=settings.read_your_writes_timeout_s,
            clock=clock,
            group=group,
        )
        for stream in streams
        if isinstance(stream, ProjectedStream)
    ]
    return ProjectedStreams(projected, streams, topics, slices)
