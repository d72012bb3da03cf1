"""Long auth chains are read in few look-ups, also by a room server that has just started."""

from pathlib import Path

import pytest

from base.database import Schema, open_database
from components.roomserver.assembly import SCHEMA
from logs.records.room_output import EventAdded
from tests.component.roomserver.counting import counted_reads
from tests.component.roomserver.story import ALICE, BOB, Room, added, running_house

LENGTH = 600


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.mark.parametrize("version", ["11", "12"])
async def test_branches_that_meet_above_a_long_chain_read_it_in_few_statements(
    tmp_path: Path, database_url: str, version: str
) -> None:
    room = Room(version)
    events = room.beginning()
    early, state = room.latest, dict(room.state)
    users = {BOB: 50} if version == "12" else {ALICE: 100, BOB: 50}
    for number in range(LENGTH):
        levels = {"users": users, "kick": number % 50}
        events.append(room.next("m.room.power_levels", levels, state_key=""))
    fork = room.latest
    topic = room.build("m.room.topic", {"topic": "new"}, state_key="", after=fork)
    old = room.build("m.room.topic", {"topic": "old"}, state_key="", after=early, state=state)
    async with running_house(tmp_path, database_url) as house:
        for output in await house.add(*events, topic):
            assert isinstance(output, EventAdded)

    async with running_house(tmp_path, database_url) as house:
        with counted_reads() as reads:
            await house.put(added(old))
            # What was announced shortly before the stop may be announced once more.
            while (await house.outputs(1))[0].event_id != old.event_id:
                pass
        head = await house.server.queries.query_room_head(
            room_id=room.room_id, state_keys=[topic.state_tuple]
        )

    assert [one.event_id for one in head.state] == [topic.event_id]
    assert len(reads) < 80


async def test_tables_of_an_older_version_get_a_place_for_auth_chains(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db"
    older = await open_database(url, Schema(SCHEMA.name, SCHEMA.metadata, SCHEMA.migrations[:1]))
    await older.write(lambda connection: connection.exec_driver_sql("DROP TABLE auth_edges"))
    await older.close()
    room = Room()

    async with running_house(tmp_path, url) as house:
        outputs = await house.add(*room.beginning())

    assert all(isinstance(output, EventAdded) for output in outputs)
