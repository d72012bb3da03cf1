"""What holds for every component that derives records: equal inputs make equal outputs.

However the inputs are cut into batches and repeated, they give the same
records with the same numbers, so that a replay repeats and never contradicts.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from logs.log import Origin

Announced = list[tuple[Origin | None, bytes]]
"""What was appended to an output topic, with the numbers of the outbox."""

Input = TypeVar("Input")
Input_contra = TypeVar("Input_contra", contravariant=True)


class Run(Protocol[Input_contra]):
    """Starts the component on what the folder has, gives it inputs, and stops it."""

    async def __call__(
        self, folder: Path, inputs: Sequence[Input_contra], max_batch: int
    ) -> Announced:
        """Return all that was ever announced, with its numbers."""
        ...


async def outputs_do_not_depend_on_batches(
    folder: Path, run: Run[Input], inputs: Sequence[Input]
) -> None:
    """Check that batches of one, some and all announce the same."""
    outcomes = [await run(folder / str(size), inputs, size) for size in (1, 7, 500)]

    assert outcomes[0]
    assert outcomes[1:] == outcomes[:1] * 2


async def a_database_that_fell_back_announces_the_same_again(
    folder: Path, run: Run[Input], inputs: Sequence[Input]
) -> None:
    """Check a power cut: what the database had not brought to the disk is gone, the log is not."""
    half = len(inputs) // 2
    first = await run(folder, inputs[:half], 500)
    shutil.copytree(folder / "db", folder / "kept")
    both = await run(folder, inputs[half:], 500)

    shutil.rmtree(folder / "db")
    shutil.copytree(folder / "kept", folder / "db")
    after = await run(folder, [], 13)

    assert len(both) > len(first) > 0
    assert after[: len(both)] == both
    assert after[len(both) :] == both[len(first) :]


async def a_lost_database_announces_the_same_again(
    folder: Path, run: Run[Input], inputs: Sequence[Input]
) -> None:
    """Check that an empty database derives everything a second time, with the same numbers."""
    before = await run(folder, inputs, 500)

    shutil.rmtree(folder / "db")
    after = await run(folder, [], 29)

    assert after == before * 2
