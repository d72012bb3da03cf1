"""The components of a process put together, beside what they say of themselves."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from base.clock import SystemClock
from base.database import Database, Schema, open_database
from deploy.catalogue import CATALOGUE
from deploy.generating.metrics_reference import SECTIONS
from deploy.process.kept_tables import CONSUMERS, KEPT, all_schemas
from deploy.settings import Settings
from deploy.wiring.building import Components, built
from deploy.wiring.ground import ProcessGround
from logs.embedded import EmbeddedLog
from logs.topics import TOPICS
from matrix.signing import SigningKey


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[ProcessGround]:
    async with AsyncExitStack() as stack:
        log = await EmbeddedLog.open(tmp_path / "log", dict.fromkeys(TOPICS, 1))
        stack.push_async_callback(log.close)

        async def open_one(schema: Schema, *, durable: bool = False) -> Database:
            database = await open_database(f"sqlite:///{tmp_path}", schema, durable=durable)
            stack.push_async_callback(database.close)
            return database

        key = SigningKey.generate("a", bytes(32))
        yield ProcessGround(Settings(), log, SystemClock(), open_one, key)


@pytest.fixture
async def components(ground: ProcessGround) -> AsyncIterator[Components]:
    """Give all components."""
    async with built(ground, CATALOGUE, CATALOGUE.names) as components:
        yield components


async def test_the_consumers_are_those_that_components_describe(components: Components) -> None:
    running = {(one.name, one.topic.name) for one in components.consumers()}

    assert running == {(place.name, place.topic.name) for place in CONSUMERS}


async def test_each_component_serves_the_apis_that_it_describes(components: Components) -> None:
    served = {name: {one.protocol for one in part.apis} for name, part in components.parts.items()}

    assert served == {one.name: {api.protocol for api in one.serves} for one in CATALOGUE}


async def test_what_components_count_is_on_the_page_of_metrics(components: Components) -> None:
    listed = {family.name for _, families in SECTIONS for family in families}

    counted = {
        reading.family.name
        for part in components.parts.values()
        for source in part.readings
        for reading in source()
    }
    assert counted
    assert counted <= listed


async def test_the_components_that_clients_reach_say_at_which_paths(
    components: Components,
) -> None:
    assert set(components.client_routers()) == {one.name for one in CATALOGUE if one.public_paths}


def test_tables_have_the_name_of_their_component_and_derived_ones_can_be_made_again() -> None:
    for kept in KEPT:
        assert kept.tables.schema().name == kept.name
        assert (kept.tables.rebuild is not None) == kept.is_derived
    for component in CATALOGUE:
        assert bool(component.not_rebuilt) == (component.name not in {*_derived()})
    assert len({schema.name for schema in all_schemas()}) == len([*all_schemas()])


def _derived() -> list[str]:
    return [kept.name for kept in KEPT if kept.is_derived]


async def test_a_process_has_the_components_that_it_runs_and_no_others(
    ground: ProcessGround,
) -> None:
    async with built(ground, CATALOGUE, ["roomserver", "receipts"]) as components:
        assert set(components.parts) == {"roomserver", "receipts"}
        assert components.client_routers() == {}
        served = components.internal_routers("secret")
    paths = {route.template.split("/")[2] for router in served for route in router.routes}
    assert paths == {"roomserver", "receipts"}
