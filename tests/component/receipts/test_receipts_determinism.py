"""The same receipts have the same outcome, however they are cut into batches and repeated."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.receipts.settings import ReceiptServerSettings
from logs.records.receipts import MarkRead
from tests.component.determinism import (
    Announced,
    a_database_that_fell_back_announces_the_same_again,
    a_lost_database_announces_the_same_again,
    outputs_do_not_depend_on_batches,
)
from tests.component.receipts.receipts_house import ALICE, BOB, Type, mark, running_house

RECEIPTS = 300
KINDS: tuple[Type, ...] = ("m.read", "m.read.private", "m.fully_read")


def receipts(seed: int) -> list[MarkRead]:
    """Return receipts forth and back, of several users and threads."""
    dice = random.Random(seed)
    records: list[MarkRead] = []
    for turn in range(RECEIPTS):
        kind = dice.choice(KINDS)
        depth = max(0, turn // 5 + dice.randint(-8, 8))
        records.append(
            mark(
                f"$event{depth}",
                depth,
                user_id=dice.choice((ALICE, BOB)),
                kind=kind,
                stream=dice.choice((None, depth * 3)),
                thread_id=None if kind == "m.fully_read" else dice.choice((None, "main")),
            )
        )
    return records


async def announced(folder: Path, inputs: Sequence[MarkRead], max_batch: int) -> Announced:
    """Put receipts and return all that was ever announced, with its numbers."""
    settings = ReceiptServerSettings(max_batch_receipts=max_batch, cached_receipts=5)
    async with running_house(folder, f"sqlite:///{folder}/db", settings) as house:
        if inputs:
            await house.put(*inputs)
        return [(one.origin, one.value) for one in await house.records()]


@pytest.mark.parametrize("seed", range(3))
async def test_outputs_do_not_depend_on_batches(tmp_path: Path, seed: int) -> None:
    await outputs_do_not_depend_on_batches(tmp_path, announced, receipts(seed))


async def test_a_database_that_fell_back_announces_the_same_again(tmp_path: Path) -> None:
    await a_database_that_fell_back_announces_the_same_again(tmp_path, announced, receipts(9))


async def test_a_lost_database_announces_the_same_again(tmp_path: Path) -> None:
    await a_lost_database_announces_the_same_again(tmp_path, announced, receipts(10))
