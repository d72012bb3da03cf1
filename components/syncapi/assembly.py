"""Puts client sync together."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from base.clock import Clock
from base.database import Database
from base.http import Router
from base.metrics import Family, Reading, Source, sizes_of
from base.slices import Slices
from components.syncapi.memory.freshness import Freshness, TypingTopic
from components.syncapi.memory.log_ends import LogEnds
from components.syncapi.memory.projected import Projected
from components.syncapi.memory.typing_rooms import typing_reader
from components.syncapi.notifications.counting import UnreadCounts
from components.syncapi.projection.consumers import NAME as _NAME
from components.syncapi.projection.consumers import project_topics, tokens_of
from components.syncapi.relation_queries import RelationQueries
from components.syncapi.routes.discovery import DiscoveryRoutes
from components.syncapi.routes.entering import Entrance
from components.syncapi.routes.old_sync import OldSyncRoutes
from components.syncapi.routes.queries import RequestReading
from components.syncapi.routes.relations import RelationRoutes
from components.syncapi.routes.reports import RoomReportRoutes
from components.syncapi.routes.rooms import RoomRoutes
from components.syncapi.routes.sync import SyncRoutes
from components.syncapi.routes.user_directory import UserDirectoryRoutes
from components.syncapi.settings import SyncApiSettings
from components.syncapi.store.tables import REBUILDS_SCHEMA, SCHEMA
from components.syncapi.sync.ephemeral import EphemeralLook
from components.syncapi.sync.federation_format import FederationFormat
from components.syncapi.sync.service import SyncService
from components.syncapi.sync.streaming import EventStreams
from components.syncapi.tokens import SyncTokens
from components.syncapi.visibility_queries import VisibilityQueries
from internalapi.roomserver import EventQueries, LocalAliases
from internalapi.syncapi import EventVisibility, Relations
from internalapi.userapi import Authentication, Filters, Reports, UserDirectory
from logs.consumer.loop import Consumer
from logs.following.follower import Follower
from logs.log import Log
from logs.rebuilding.copies import select_serving
from logs.rebuilding.serving import ServingCopy, ServingWatch
from logs.records.client_data import OutputClientData
from logs.records.receipts import OutputReceipt
from logs.records.room_output import OutputRoomEvent
from logs.records.typing import OutputTyping
from logs.tail_reader import TailReader
from logs.topics import OUTPUT_CLIENT_DATA, OUTPUT_RECEIPT, OUTPUT_ROOM_EVENT, OUTPUT_TYPING
from requesting.rates import RequestRates
from requesting.requesters import Requesters

__all__ = [
    "REBUILDS_SCHEMA",
    "SCHEMA",
    "ServingCopy",
    "SyncApi",
    "build",
    "query_serving",
]

WAITING_POLLS: Final = Family(
    "xylem_syncapi_waiting_polls", "gauge", "Requests of /sync that wait for something new."
)
FAMILIES: Final = (WAITING_POLLS,)


class SyncApi(NamedTuple):
    """The parts of client sync: what answers, and what has to run."""

    router: Router
    room_events: Consumer[OutputRoomEvent]
    client_data: Consumer[OutputClientData]
    receipts: Consumer[OutputReceipt]
    typing: TailReader[OutputTyping]
    follower: Follower
    """Has to run where other processes may project, too."""
    serving: ServingWatch
    """Has to run where the tables may be made again."""
    end_long_polls: Callable[[], None]
    """Answers all requests that wait, and lets none wait any more: for stopping."""
    is_waiting: Callable[[str], bool]
    """Tells whether a request of this user waits for something new."""
    relations: Relations
    visibility: EventVisibility
    """Asked by the component that lets users send events."""
    readings: Sequence[Source]
    """What was counted, for metrics."""


async def query_serving(rebuilds: Database) -> int:
    """Return the number of the copy of `SCHEMA` that serves.

    `rebuilds` was opened with `REBUILDS_SCHEMA`.
    """
    return await rebuilds.read(select_serving)


async def build(
    *,
    log: Log,
    database: Database,
    settings: SyncApiSettings,
    clock: Clock,
    authentication: Authentication,
    filters: Filters,
    aliases: LocalAliases,
    events: EventQueries,
    reports: Reports,
    user_directory: UserDirectory,
    serving: ServingCopy | None = None,
) -> SyncApi:
    """Return client sync over its database, opened with `SCHEMA`; nothing is started.

    `serving` says which copy of the tables this is and where to look whether it still serves;
    without it, nobody rebuilds them.
    """
    tokens = tokens_of(log, 0 if serving is None else serving.copy)
    topics = await project_topics(
        log=log, database=database, settings=settings, clock=clock, tokens=tokens
    )
    projected = topics.projected
    shared = _Serving(
        log=log,
        database=database,
        settings=settings,
        clock=clock,
        tokens=tokens,
        projected=projected,
        reading=RequestReading(
            Requesters(
                authentication,
                RequestRates(
                    clock,
                    per_user=settings.request_rate_per_user,
                    per_network=settings.summary_rate_per_address,
                ),
            ),
            filters,
            settings,
        ),
        freshness=Freshness(
            log,
            rooms=topics.rooms,
            client_data=topics.client_data,
            receipts=topics.receipts,
            typing=TypingTopic(projected.typing),
            timeout_s=settings.read_your_writes_timeout_s,
        ),
        aliases=aliases,
        events=events,
        reports=reports,
        user_directory=user_directory,
    )
    polls = projected.polls

    def waiting() -> Iterator[Reading]:
        yield Reading(WAITING_POLLS, (), len(polls))

    typing = typing_reader(log, projected.learn_typing)
    caches = sizes_of(_NAME, {"users": projected.users, "summaries": projected.summaries})
    return SyncApi(
        router=_router(shared),
        room_events=topics.rooms.consumer,
        client_data=topics.client_data.consumer,
        receipts=topics.receipts.consumer,
        typing=typing,
        follower=Follower(log, database, _NAME, [one.followed for one in topics.all]),
        serving=ServingWatch(serving),
        end_long_polls=polls.close,
        is_waiting=polls.users.__contains__,
        relations=RelationQueries(database, shared.freshness),
        visibility=VisibilityQueries(database, shared.freshness),
        readings=(
            projected.recent.readings,
            waiting,
            caches,
            typing.readings,
            *(one.readings for one in topics.all),
        ),
    )


class _Serving(NamedTuple):
    """What the endpoints share."""

    log: Log
    database: Database
    settings: SyncApiSettings
    clock: Clock
    tokens: SyncTokens
    projected: Projected
    reading: RequestReading
    freshness: Freshness
    aliases: LocalAliases
    events: EventQueries
    reports: Reports
    user_directory: UserDirectory


def _router(serving: _Serving) -> Router:
    room_partition = partial(serving.log.partition_of, OUTPUT_ROOM_EVENT.name)
    slices = Slices()
    service = SyncService(
        projected=serving.projected,
        database=serving.database,
        tokens=serving.tokens,
        settings=serving.settings,
        now_ms=serving.clock.now_ms,
        room_partition=room_partition,
        user_partition=partial(serving.log.partition_of, OUTPUT_CLIENT_DATA.name),
        ephemeral=EphemeralLook(
            serving.projected,
            tokens=serving.tokens,
            room_partition=room_partition,
            receipt_partition=partial(serving.log.partition_of, OUTPUT_RECEIPT.name),
            typing_partition=partial(serving.log.partition_of, OUTPUT_TYPING.name),
            slices=slices,
        ),
        unread=UnreadCounts(
            database=serving.database,
            unread_counts=serving.projected.unread_counts,
            recent=serving.projected.recent,
            room_partition=room_partition,
            most_users=serving.settings.cached_push_rules,
            window=serving.settings.unread_window,
            slices=slices,
        ),
        federation_format=FederationFormat(serving.events, slices),
        slices=slices,
    )
    entrance = Entrance(
        freshness=serving.freshness,
        tokens=serving.tokens,
        now_ms=serving.clock.now_ms,
        partition_of=room_partition,
    )
    router = Router()
    SyncRoutes(
        service=service,
        reading=serving.reading,
        tokens=serving.tokens,
        log_ends=LogEnds(serving.log, serving.projected),
        freshness=serving.freshness,
        max_timeout_s=serving.settings.max_timeout_s,
    ).add_to(router)
    RoomRoutes(
        database=serving.database,
        projected=serving.projected,
        reading=serving.reading,
        entrance=entrance,
        tokens=serving.tokens,
        freshness=serving.freshness,
        settings=serving.settings,
    ).add_to(router)
    OldSyncRoutes(
        database=serving.database,
        projected=serving.projected,
        streams=EventStreams(
            projected=serving.projected,
            database=serving.database,
            tokens=serving.tokens,
            settings=serving.settings,
            now_ms=serving.clock.now_ms,
            room_partition=room_partition,
        ),
        reading=serving.reading,
        entrance=entrance,
        tokens=serving.tokens,
        freshness=serving.freshness,
        settings=serving.settings,
        partition_of=room_partition,
    ).add_to(router)
    RelationRoutes(
        database=serving.database,
        reading=serving.reading,
        entrance=entrance,
        tokens=serving.tokens,
        settings=serving.settings,
    ).add_to(router)
    RoomReportRoutes(
        database=serving.database,
        reading=serving.reading,
        freshness=serving.freshness,
        reports=serving.reports,
        now_ms=serving.clock.now_ms,
    ).add_to(router)
    DiscoveryRoutes(
        database=serving.database,
        reading=serving.reading,
        freshness=serving.freshness,
        aliases=serving.aliases,
        settings=serving.settings,
    ).add_to(router)
    UserDirectoryRoutes(
        database=serving.database,
        reading=serving.reading,
        freshness=serving.freshness,
        directory=serving.user_directory,
    ).add_to(router)
    return router
