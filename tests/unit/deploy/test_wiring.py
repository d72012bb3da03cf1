"""The components of a process put together, beside what is said of them elsewhere."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from base.clock import SystemClock
from base.database import Database, Schema, open_database
from deploy import wiring
from deploy.components import ASKED, ASKED_LATER, COMPONENTS
from deploy.consumers import CONSUMERS
from deploy.ground import Ground
from deploy.routers import client_routers, internal_routers
from deploy.schemas import SCHEMAS
from deploy.settings import Settings
from logs.embedded import EmbeddedLog
from logs.topics import TOPICS
from matrix.signing import SigningKey


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        log = await EmbeddedLog.open(tmp_path / "log", dict.fromkeys(TOPICS, 1))
        stack.push_async_callback(log.close)

        async def open_one(schema: Schema, *, durable: bool = False) -> Database:
            database = await open_database(f"sqlite:///{tmp_path}", schema, durable=durable)
            stack.push_async_callback(database.close)
            return database

        key = SigningKey.generate("a", bytes(32))
        yield Ground(Settings(), log, SystemClock(), open_one, key, None, stack)


async def test_all_consumers_are_in_the_catalogue(ground: Ground) -> None:
    components = await wiring.build(ground, COMPONENTS)

    running = {(one.name, one.topic.name) for one in components.consumers()}
    assert running == {(place.name, place.topic.name) for place in CONSUMERS}
    assert {place.schema.name for place in CONSUMERS} <= {schema.name for schema in SCHEMAS}


async def test_a_process_has_the_components_that_it_runs_and_no_others(
    ground: Ground,
) -> None:
    components = await wiring.build(ground, ["roomserver", "receipts"])

    assert components.rooms is not None
    assert components.reading is not None
    assert (components.users, components.sync, components.clients) == (None, None, None)
    assert client_routers(components) == []
    served = internal_routers(components, "secret")
    paths = {route.template.split("/")[2] for router in served for route in router.routes}
    assert paths == {"roomserver", "receipts"}


async def test_everything_that_others_ask_is_served(ground: Ground) -> None:
    components = await wiring.build(ground, COMPONENTS)

    served = internal_routers(components, "secret")

    asked = {*ASKED.values(), *ASKED_LATER.values()}
    assert {route.template.split("/")[2] for router in served for route in router.routes} == {
        name for names in asked for name in names
    }
