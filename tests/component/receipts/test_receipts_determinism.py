"""The same receipts have the same outcome, however they are cut into batches and repeated."""

import random
import shutil
from pathlib import Path

import pytest

from components.receipts.settings import ReceiptServerSettings
from logs.log import Origin
from logs.records.receipts import MarkRead, OutputReceipt
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


@pytest.mark.parametrize("seed", range(3))
async def test_outputs_do_not_depend_on_batches(tmp_path: Path, seed: int) -> None:
    outcomes: list[list[OutputReceipt]] = []
    for max_batch in (1, 7, 500):
        folder = tmp_path / str(max_batch)
        settings = ReceiptServerSettings(max_batch_receipts=max_batch, cached_markers=5)
        async with running_house(folder, f"sqlite:///{folder}/db", settings) as house:
            await house.put(*receipts(seed))
            outcomes.append(await house.outputs())

    assert outcomes[0]
    assert outcomes[1:] == outcomes[:1] * 2


async def announced(
    folder: Path, records: list[MarkRead], max_batch: int
) -> list[tuple[Origin | None, bytes]]:
    """Put receipts and return all that was ever announced, with its numbers."""
    settings = ReceiptServerSettings(max_batch_receipts=max_batch)
    async with running_house(folder, f"sqlite:///{folder}/db", settings) as house:
        if records:
            await house.put(*records)
        return [(one.origin, one.value) for one in await house.records()]


async def test_a_database_that_fell_back_announces_the_same_again(tmp_path: Path) -> None:
    records = receipts(9)
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
    before = await announced(tmp_path, receipts(10), 500)

    shutil.rmtree(tmp_path / "db")
    after = await announced(tmp_path, [], 29)

    assert after == before * 2
