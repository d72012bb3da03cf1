"""The same requests are announced alike, however they are cut into batches and repeated."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from base.clock import ManualClock
from components.eduserver.settings import EduServerSettings
from logs.records.typing import InputTyping, TypingExpired
from tests.component.determinism import (
    Announced,
    a_database_that_fell_back_announces_the_same_again,
    a_lost_database_announces_the_same_again,
    outputs_do_not_depend_on_batches,
)
from tests.component.eduserver.eduserver_house import (
    OTHER,
    ROOM,
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


async def announced(folder: Path, inputs: Sequence[InputTyping], max_batch: int) -> Announced:
    """Put requests and return all that was ever announced, with its numbers."""
    async with running_house(folder, f"sqlite:///{folder}/db", options(max_batch)) as house:
        if inputs:
            await house.put(*inputs)
        return [(one.origin, one.value) for one in await house.records()]


@pytest.mark.parametrize("seed", range(3))
async def test_outputs_do_not_depend_on_batches(tmp_path: Path, seed: int) -> None:
    await outputs_do_not_depend_on_batches(tmp_path, announced, requests(seed))


async def test_a_database_that_fell_back_announces_the_same_again(tmp_path: Path) -> None:
    await a_database_that_fell_back_announces_the_same_again(tmp_path, announced, requests(9))


async def test_a_lost_database_announces_the_same_again(tmp_path: Path) -> None:
    await a_lost_database_announces_the_same_again(tmp_path, announced, requests(10))
