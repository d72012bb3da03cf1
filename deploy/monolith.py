"""The monolith: all components in one process, over an embedded log."""

import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from base.clock import SystemClock
from base.database import DatabaseOutage
from base.http import Application, HttpSettings, Router, application
from base.metrics import HttpMetrics
from base.tasks import Tasks
from components.roomserver import component as roomserver
from components.userapi import component as userapi
from deploy import starting
from deploy.data_directory import DataDirectory
from deploy.observing import health_router, metrics_router, process_registry
from deploy.process import stop_or_failure, stop_signals, tune
from deploy.settings import Api, ListenerSettings, Settings
from deploy.trimming import Trimmer
from logs.log import LogOutage
from matrix.identifiers import ServerName

_log: Final = logging.getLogger(__name__)

Announce = Callable[[Sequence[str]], None]


async def run_monolith(settings: Settings, directory: DataDirectory, announce: Announce) -> None:
    """Run until SIGTERM or SIGINT; `announce` is told the listeners' addresses once they serve.

    Raises `StartRefused`, and `TaskEnded` when a part fails that the server cannot do without.
    """
    clock = SystemClock()
    server_name = ServerName(settings.server_name)
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        key = starting.signing_key(directory)
        log = await stack.enter_async_context(starting.embedded_log(directory, settings, clock))
        users = userapi.build(
            settings=settings.userapi,
            server_name=server_name,
            database=await stack.enter_async_context(
                starting.database(directory, userapi.SCHEMA, durable=True)
            ),
            log=log,
            clock=clock,
            random_bytes=secrets.token_bytes,
        )
        stack.callback(users.close)
        rooms = roomserver.build(
            log=log,
            database=await stack.enter_async_context(
                starting.database(directory, roomserver.SCHEMA)
            ),
            settings=settings.roomserver,
            clock=clock,
        )

        tasks = await stack.enter_async_context(Tasks())
        tasks.start("userapi", users.run())
        tasks.start("roomserver", rooms.consumer.run())
        trimmer = Trimmer(log, [rooms.consumer], clock)
        tasks.start("trimmer", trimmer.run(settings.log.trim_interval_s))

        registry = process_registry()
        routers: Mapping[Api, Sequence[Router]] = {
            "client": [users.router],
            "metrics": [metrics_router(registry)],
            "health": [health_router(lambda: not stop.is_set())],
        }
        server = await stack.enter_async_context(
            starting.serving(
                settings.listeners,
                _applications(settings, routers, registry),
                drain_s=settings.http.shutdown_s,
            )
        )
        tune()
        announce(list(map(_url, settings.listeners, server.ports)))
        await stop_or_failure(stop, tasks)
        _log.info("The server stops")
    _log.info("The server has stopped")


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
