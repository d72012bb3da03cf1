"""Puts client sync together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from base.clock import Clock
from base.database import Database
from base.http import Router
from base.metrics import Family, Reading, Source, sizes_of
from components.syncapi.legacy.event_streams import EventStreams
from components.syncapi.legacy.routes import OldSyncRoutes
from components.syncapi.memory.freshness import Freshness
from components.syncapi.memory.log_ends import LogEnds
from components.syncapi.projection.consumers import NAME as _NAME
from components.syncapi.projection.consumers import ProjectedStreams, project_streams, tokens_of
from components.syncapi.projection.momentary import momentary_reader
from components.syncapi.projection.reading_own_writes import freshness_of
from components.syncapi.relations.queries import RelationQueries
from components.syncapi.rooms.visibility_queries import VisibilityQueries
from components.syncapi.routes.dehydrated_devices import DehydratedMessageRoutes
from components.syncapi.routes.discovery import DiscoveryRoutes
from components.syncapi.routes.entering import Entrance
from components.syncapi.routes.key_changes import KeyChangeRoutes
from components.syncapi.routes.queries import RequestReading
from components.syncapi.routes.relations import RelationRoutes
from components.syncapi.routes.reports import RoomReportRoutes
from components.syncapi.routes.rooms import RoomRoutes
from components.syncapi.routes.sync import SyncRoutes
from components.syncapi.routes.user_directory import UserDirectoryRoutes
from components.syncapi.settings import SyncApiSettings
from components.syncapi.store.tables import SCHEMA
from components.syncapi.streams.catalogue import STREAMS
from components.syncapi.streams.device_lists import DeviceListStream
from components.syncapi.streams.stream import StreamKinds
from components.syncapi.sync.completing import RoomParts
from components.syncapi.sync.dehydrated_devices import DehydratedMessages
from components.syncapi.sync.federation_format import FederationFormat
from components.syncapi.sync.service import SyncService
from components.syncapi.sync.unread import UnreadSections
from components.syncapi.tokens import SyncTokens
from components.syncapi.unread.counting import UnreadCounts
from internalapi.roomserver import EventQueries, LocalAliases
from internalapi.syncapi import EventVisibility, Relations
from internalapi.userapi import (
    Authentication,
    DehydratedDevices,
    Filters,
    Reports,
    UserDirectory,
)
from logs.consumer.loop import Consumer
from logs.following.follower import Follower
from logs.log import Log
from logs.rebuilding.serving import ServingCopy, ServingWatch
from logs.tail_reader import TailReader
from logs.topics import OUTPUT_ROOM_EVENT, SEND_TO_DEVICE
from requesting.rates import RequestRates
from requesting.requesters import Requesters

__all__ = ["SCHEMA", "SyncApi", "build"]

WAITING_POLLS: Final = Family(
    "xylem_syncapi_waiting_polls", "gauge", "Requests of /sync that wait for something new."
)
FAMILIES: Final = (WAITING_POLLS,)


class SyncApi(NamedTuple):
    """The parts of client sync: what answers, and what has to run."""

    router: Router
    consumers: Sequence[Consumer[Any]]
    """Of the streams that are written into the tables, that of rooms first."""
    readers: Mapping[str, TailReader[Any]]
    """By name those of the streams that are in memory only."""
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

    def tasks(self) -> dict[str, TailReader[Any] | Follower]:
        """Return by name what has to run beside the consumers."""
        return {**self.readers, "follower": self.follower}


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
    dehydrated_devices: DehydratedDevices,
    serving: ServingCopy,
    streams: StreamKinds = STREAMS,
) -> SyncApi:
    """Return client sync over its database, opened with `SCHEMA`; nothing is started.

    `serving` says which copy of the tables this is and where to look whether it still serves.
    """
    tokens = tokens_of(log, serving.copy, streams)
    projection = await project_streams(
        log=log, database=database, settings=settings, clock=clock, tokens=tokens, kinds=streams
    )
    projected = projection.projected
    shared = _Serving(
        log=log,
        database=database,
        settings=settings,
        clock=clock,
        tokens=tokens,
        projection=projection,
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
        freshness=freshness_of(log, projection, settings.read_your_writes_timeout_s),
        aliases=aliases,
        events=events,
        reports=reports,
        user_directory=user_directory,
        dehydrated_devices=dehydrated_devices,
    )
    polls = projected.polls

    def waiting() -> Iterator[Reading]:
        yield Reading(WAITING_POLLS, (), len(polls))

    readers = {one.name: momentary_reader(log, one) for one in projection.momentary()}
    caches = sizes_of(_NAME, {"users": projected.cached_users, "summaries": projected.summaries})
    return SyncApi(
        router=_router(shared),
        consumers=[topic.consumer for topic in projection.topics],
        readers=readers,
        follower=Follower(log, database, _NAME, [topic.followed for topic in projection.topics]),
        serving=ServingWatch(serving),
        end_long_polls=polls.close,
        is_waiting=polls.users.__contains__,
        relations=RelationQueries(database, shared.freshness),
        visibility=VisibilityQueries(database, shared.freshness),
        readings=(
            projected.recent.readings,
            waiting,
            caches,
            *(reader.readings for reader in readers.values()),
            *(topic.readings for topic in projection.topics),
            *(stream.readings for stream in projection.streams),
        ),
    )


class _Serving(NamedTuple):
    """What the endpoints share."""

    log: Log
    database: Database
    settings: SyncApiSettings
    clock: Clock
    tokens: SyncTokens
    projection: ProjectedStreams
    reading: RequestReading
    freshness: Freshness
    aliases: LocalAliases
    events: EventQueries
    reports: Reports
    user_directory: UserDirectory
    dehydrated_devices: DehydratedDevices


def _router(serving: _Serving) -> Router:
    projected = serving.projection.projected
    room_partition = partial(serving.log.partition_of, OUTPUT_ROOM_EVENT.name)
    unread = UnreadCounts(
        database=serving.database,
        unread_counts=projected.unread_counts,
        recent=projected.recent,
        room_partition=room_partition,
        most_users=serving.settings.cached_push_rules,
        window=serving.settings.unread_window,
        slices=serving.projection.slices,
    )
    service = SyncService(
        projected=projected,
        streams=serving.projection.streams,
        database=serving.database,
        tokens=serving.tokens,
        settings=serving.settings,
        now_ms=serving.clock.now_ms,
        unread=UnreadSections(unread, room_partition),
        parts=RoomParts(serving.tokens, room_partition, serving.projection.slices),
        federation_format=FederationFormat(serving.events, serving.projection.slices),
        slices=serving.projection.slices,
        freshness=serving.freshness,
    )
    entrance = Entrance(
        freshness=serving.freshness,
        tokens=serving.tokens,
        now_ms=serving.clock.now_ms,
        partition_of=room_partition,
    )
    log_ends = LogEnds(
        serving.log, projected, [one.topic.name for one in serving.projection.streams]
    )
    router = Router()
    SyncRoutes(
        service=service,
        reading=serving.reading,
        tokens=serving.tokens,
        log_ends=log_ends,
        freshness=serving.freshness,
        max_timeout_s=serving.settings.max_timeout_s,
    ).add_to(router)
    DehydratedMessageRoutes(
        requesters=serving.reading.requesters,
        freshness=serving.freshness,
        devices=serving.dehydrated_devices,
        messages=DehydratedMessages(
            database=serving.database,
            projected=projected,
            tokens=serving.tokens,
            log_ends=log_ends,
            slot=next(
                one.slot for one in serving.projection.streams if one.topic is SEND_TO_DEVICE
            ),
            partition_of=partial(serving.log.partition_of, SEND_TO_DEVICE.name),
            most=serving.settings.to_device_messages,
        ),
    ).add_to(router)
    for stream in serving.projection.streams:
        if isinstance(stream, DeviceListStream):
            KeyChangeRoutes(
                device_lists=stream,
                projected=projected,
                requesters=serving.reading.requesters,
                tokens=serving.tokens,
                log_ends=log_ends,
                freshness=serving.freshness,
            ).add_to(router)
    RoomRoutes(
        database=serving.database,
        projected=projected,
        reading=serving.reading,
        entrance=entrance,
        tokens=serving.tokens,
        freshness=serving.freshness,
        settings=serving.settings,
    ).add_to(router)
    OldSyncRoutes(
        database=serving.database,
        projected=projected,
        streams=EventStreams(
            projected=projected,
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
