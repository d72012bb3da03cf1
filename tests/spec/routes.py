"""The routes of a whole server, without running it."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from base.clock import SystemClock
from base.database import Database, Schema, open_database
from base.http import Router
from deploy.catalogue import CATALOGUE
from deploy.settings import Settings
from deploy.wiring.building import built
from deploy.wiring.ground import ProcessGround
from logs.embedded import EmbeddedLog
from logs.topics import TOPICS
from matrix.signing import SigningKey


@asynccontextmanager
async def server_routers(settings: Settings | None = None) -> AsyncIterator[Mapping[str, Router]]:
    """Hold the routers of all components that clients reach, as a server has them, by name.

    They answer what needs no component to be at work in the background.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clock = SystemClock()
        log = await EmbeddedLog.open(folder / "log", dict.fromkeys(TOPICS, 1), clock=clock)
        stack.push_async_callback(log.close)

        async def open_in_folder(schema: Schema, *, durable: bool = False) -> Database:
            database = await open_database(f"sqlite:///{folder}", schema, durable=durable)
            stack.push_async_callback(database.close)
            return database

        key = SigningKey.generate("1", bytes(32))
        ground = ProcessGround(settings or Settings(), log, clock, open_in_folder, key)
        components = await stack.enter_async_context(built(ground, CATALOGUE, CATALOGUE.names))
        yield components.client_routers()
