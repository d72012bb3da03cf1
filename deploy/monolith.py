"""The monolith: all components in one process, over an embedded log or Kafka."""

import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry

from base.clock import SystemClock
from base.database import DatabaseOutage
from base.http import Application, HttpSettings, Router, application
from base.metrics import HttpMetrics
from base.tasks import Tasks
from components.clientapi import component as clientapi
from components.roomserver import component as roomserver
from components.syncapi import component as syncapi
from components.userapi import component as userapi
from deploy import starting
from deploy.data_directory import DataDirectory
from deploy.observing import health_router, metrics_router, process_registry
from deploy.process import stop_or_failure, stop_signals, tune
from deploy.settings import Api, ListenerSettings, Settings
from deploy.trimming import Trimmer
from logs.log import Log, LogOutage
from matrix.identifiers import ServerName
from matrix.signing import SigningKey

_log: Final = logging.getLogger(__name__)

Announce = Callable[[Sequence[str]], None]


class _Components(NamedTuple):
    users: userapi.UserApi
    rooms: roomserver.RoomServer
    sync: syncapi.SyncApi
    clients: clientapi.ClientApi


async def run_monolith(settings: Settings, directory: DataDirectory, announce: Announce) -> None:
    """Run until SIGTERM or SIGINT; `announce` is told the listeners' addresses once they serve.

    Raises `StartRefused`, and `TaskEnded` when a part fails that the server cannot do without.
    """
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        key = starting.signing_key(directory)
        log = await stack.enter_async_context(starting.log(directory, settings, clock))
        parts = await _build(stack, settings, directory, log, key=key, clock=clock)
        tasks = await stack.enter_async_context(Tasks())
        _start(tasks, parts, settings, log, clock)
        await parts.clients.outcomes.wait_ready()

        registry = process_registry()
        routers: Mapping[Api, Sequence[Router]] = {
            "client": [parts.users.router, parts.clients.router, parts.sync.router],
            "metrics": [metrics_router(registry)],
            "health": [health_router(lambda: not stop.is_set())],
        }
        applications = _applications(settings, routers, registry)
        server = await stack.enter_async_context(
            starting.serving(settings.listeners, applications, drain_s=settings.http.shutdown_s)
        )
        stack.callback(parts.sync.end_long_polls)
        tune()
        announce(list(map(_url, settings.listeners, server.ports)))
        await stop_or_failure(stop, tasks)
        _log.info("The server stops")
    _log.info("The server has stopped")


async def _build(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    directory: DataDirectory,
    log: Log,
    *,
    key: SigningKey,
    clock: SystemClock,
) -> _Components:
    """Put all components together over their databases; nothing runs yet."""
    server_name = ServerName(settings.server_name)
    users = userapi.build(
        settings=settings.userapi,
        server_name=server_name,
        database=await stack.enter_async_context(
            starting.database(directory, userapi.SCHEMA, durable=True)
        ),
        log=log,
        clock=clock,
        random_bytes=secrets.token_bytes,
        default_room_version=settings.default_room_version,
    )
    stack.callback(users.close)
    rooms = roomserver.build(
        log=log,
        database=await stack.enter_async_context(starting.database(directory, roomserver.SCHEMA)),
        settings=settings.roomserver,
        clock=clock,
    )
    sync = await syncapi.build(
        log=log,
        database=await stack.enter_async_context(starting.database(directory, syncapi.SCHEMA)),
        settings=settings.syncapi,
        clock=clock,
        authentication=users.authentication,
        filters=users.filters,
    )
    clients = clientapi.build(
        log=log,
        rooms=rooms.queries,
        directory=rooms.directory,
        authentication=users.authentication,
        profiles=users.profiles,
        accounts=users.accounts,
        server_name=server_name,
        key=key,
        clock=clock,
        settings=settings.clientapi,
        default_room_version=settings.default_room_version,
    )
    return _Components(users, rooms, sync, clients)


def _start(
    tasks: Tasks, parts: _Components, settings: Settings, log: Log, clock: SystemClock
) -> None:
    """Run the components; those started last, which stand on the others, are stopped first."""
    tasks.start("userapi", parts.users.run())
    tasks.start("roomserver", parts.rooms.consumer.run())
    tasks.start("syncapi, rooms", parts.sync.room_events.run())
    tasks.start("syncapi, client data", parts.sync.client_data.run())
    tasks.start("clientapi, outcomes", parts.clients.outcomes.run())
    if settings.log.kafka is not None:
        return
    consumers = (parts.rooms.consumer, parts.sync.room_events, parts.sync.client_data)
    tasks.start("trimmer", Trimmer(log, consumers, clock).run(settings.log.trim_interval_s))


def _applications(
    settings: Settings, routers: Mapping[Api, Sequence[Router]], registry: CollectorRegistry
) -> list[Application]:
    """Return for each listener the application with the APIs that it serves."""
    observe = HttpMetrics(registry)
    http = HttpSettings(
        max_body_bytes=settings.http.max_body_bytes, body_timeout_s=settings.http.body_timeout_s
    )
    return [
        application(
            [router for api in dict.fromkeys(listener.apis) for router in routers[api]],
            settings=http,
            outages=(DatabaseOutage, LogOutage),
            observe=observe,
        )
        for listener in settings.listeners
    ]


def _url(listener: ListenerSettings, port: int) -> str:
    host = f"[{listener.address}]" if ":" in listener.address else listener.address
    return f"{'https' if listener.tls else 'http'}://{host}:{port}"
