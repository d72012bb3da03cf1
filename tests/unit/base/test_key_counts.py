"""Keys are cut into parts of few sizes, and nothing is asked for that nobody wants."""

import pytest

from base.database import cut_to_sizes


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (2, [8]), (8, [8]), (9, [50]), (50, [50]), (51, [50, 1]), (60, [50, 50])],
)
def test_each_part_has_one_of_the_sizes(count: int, sizes: list[int]) -> None:
    parts = list(cut_to_sizes(range(count), (1, 8, 50)))

    assert [len(part) for part in parts] == sizes
    assert list(dict.fromkeys(key for part in parts for key in part)) == list(range(count))


def test_a_part_is_filled_from_its_own_keys_or_with_what_finds_nothing() -> None:
    assert list(cut_to_sizes("abcd", (3,))) == [["a", "b", "c"], ["d", "d", "d"]]
    assert list(cut_to_sizes("abcd", (3,), "-")) == [["a", "b", "c"], ["d", "-", "-"]]
