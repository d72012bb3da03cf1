"""Memory learns each record once, whether this process committed it or followed another."""

import pytest

from logs.following.gate import Gate
from logs.following.progress import TopicProgress


class Owner:
    """What a consumer says of the partitions that this process owns."""

    def __init__(self) -> None:
        self.at: int | None = None

    def position(self, partition: int) -> int | None:
        assert partition == 0
        return self.at


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def gate(owner: Owner) -> Gate:
    return Gate(TopicProgress([10]), owner.position)


def test_a_partition_of_another_process_is_followed(gate: Gate) -> None:
    assert gate.is_followed(0)


def test_a_commit_that_leaves_something_out_is_not_learned(gate: Gate, owner: Owner) -> None:
    gate.begin(0)
    owner.at = 12

    assert gate.is_followed(0)
    assert not gate.admits(0, 12)


def test_commits_are_learned_from_where_the_follower_has_come_to(gate: Gate, owner: Owner) -> None:
    gate.begin(0)
    owner.at = 12
    gate.progress.advance(0, 12)

    assert not gate.is_followed(0)
    assert gate.admits(0, 12)


def test_records_of_ones_own_that_needed_no_learning_are_passed_over(
    gate: Gate, owner: Owner
) -> None:
    gate.begin(0)
    owner.at = 10
    assert not gate.is_followed(0)

    owner.at = 15

    assert not gate.is_followed(0)
    assert gate.progress.at(0) == 15
    assert gate.admits(0, 17)


def test_a_partition_that_came_back_is_followed_until_memory_is_there(
    gate: Gate, owner: Owner
) -> None:
    gate.begin(0)
    owner.at = 10
    assert gate.admits(0, 10)
    gate.begin(0)
    owner.at = 20

    assert gate.is_followed(0)
    assert not gate.admits(0, 20)
    assert gate.progress.at(0) == 10


async def test_progress_goes_forward_only_and_wakes_who_waits() -> None:
    progress = TopicProgress([5, 5])
    progress.advance(1, 3)
    assert progress.next_offsets == (5, 5)

    progress.advance(1, 8)
    await progress.reached(1, 8)

    assert progress.next_offsets == (5, 8)
