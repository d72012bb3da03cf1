"""The same requests are announced alike, however they are cut into batches and repeated."""

import random
import shutil
from pathlib import Path

import pytest

from base.clock import ManualClock
from components.eduserver.settings import EduServerSettings
from logs.log import Origin
from logs.records.typing import InputTyping, TypingExpired
from tests.component.eduserver.eduserver_house import (
    OTHER,
    ROOM,
    Announced,
    Options,
    running_house,
    types,
)

REQUESTS = 300
USERS = [f"@{name}:xylem.test" for name in "abcdef"]
START_MS = ManualClock().now_ms()


def requests(seed: int) -> list[InputTyping]:
    """Return users who begin, renew and stop, and expiries in time, too early and too late."""
    dice = random.Random(seed)
    records: list[InputTyping] = []
    for _ in range(REQUESTS):
        room_id, user_id = dice.choice((ROOM, OTHER)), dice.choice(USERS)
        if dice.random() < 0.3:
            deadline_ms = START_MS + dice.choice((5_000, 10_000, 20_000))
            records.append(TypingExpired(room_id, user_id, deadline_ms))
        else:
            timeout_ms = dice.choice((0, 5_000, 10_000, 20_000))
            records.append(types(user_id, timeout_ms, room_id=room_id))
    return records


def options(max_batch: int) -> Options:
    settings = EduServerSettings(max_batch_requests=max_batch, max_typing_per_room=4, max_typing=7)
    return Options(settings=settings, timers_run=False)


@pytest.mark.parametrize("seed", range(3))
async def test_outputs_do_not_depend_on_batches(tmp_path: Path, seed: int) -> None:
    outcomes: list[list[Announced]] = []
    for max_batch in (1, 7, 500):
        folder = tmp_path / str(max_batch)
        async with running_house(folder, f"sqlite:///{folder}/db", options(max_batch)) as house:
            await house.put(*requests(seed))
            outcomes.append(await house.outputs())

    assert outcomes[0]
    assert outcomes[1:] == outcomes[:1] * 2


async def announced(
    folder: Path, records: list[InputTyping], max_batch: int
) -> list[tuple[Origin | None, bytes]]:
    """Put requests and return all that was ever announced, with its numbers."""
    async with running_house(folder, f"sqlite:///{folder}/db", options(max_batch)) as house:
        if records:
            await house.put(*records)
        return [(one.origin, one.value) for one in await house.records()]


async def test_a_database_that_fell_back_announces_the_same_again(tmp_path: Path) -> None:
    records = requests(9)
    first = await announced(tmp_path, records[:150], 500)
    shutil.copytree(tmp_path / "db", tmp_path / "kept")
    both = await announced(tmp_path, records[150:], 500)

    # Power is lost: what the database had not brought to the disk is gone, the log is not.
    shutil.rmtree(tmp_path / "db")
    shutil.copytree(tmp_path / "kept", tmp_path / "db")
    after = await announced(tmp_path, [], 13)

    assert len(both) > len(first) > 0
    assert after[: len(both)] == both
    assert after[len(both) :] == both[len(first) :]


async def test_a_lost_database_announces_the_same_again(tmp_path: Path) -> None:
    before = await announced(tmp_path, requests(10), 500)

    shutil.rmtree(tmp_path / "db")
    after = await announced(tmp_path, [], 29)

    assert after == before * 2
