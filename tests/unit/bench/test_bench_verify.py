from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.verify import (
    Findings,
    Seen,
    Sent,
    check_one_order,
    check_room,
    check_same_set,
    longest_ascent,
    seen_in,
)

ALICE, BOB = "@alice:x", "@bob:x"
MESSAGES = [Sent(ALICE, 1), Sent(BOB, 11), Sent(ALICE, 2), Sent(BOB, 12)]
ACKNOWLEDGED = {f"$e{sent.number}": sent for sent in MESSAGES}


def seen(*numbers: int) -> list[Seen]:
    return [Seen(f"$e{n}", ALICE if n < 10 else BOB, n) for n in numbers]


def counts(findings: Findings) -> tuple[int, int, int, int]:
    return findings.wrong, findings.missing, findings.doubled, findings.reordered


def checked(**seen_by: Sequence[Seen]) -> Findings:
    return check_room(ACKNOWLEDGED, (), seen_by)


def test_a_room_that_all_saw_alike_is_clean() -> None:
    findings = checked(alice=seen(1, 11, 2, 12), bob=seen(1, 11, 2, 12))

    assert findings.clean
    assert findings.checked == 8


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 11, 2], (0, 1, 0, 0)),
        ([1, 11, 2, 2, 12], (0, 0, 1, 0)),
        ([1, 2, 11, 12], (0, 0, 0, 1)),
        ([12, 1, 11, 2], (0, 0, 0, 1)),
        ([], (0, 4, 0, 0)),
        ([1, 11, 2, 12, 3], (1, 0, 0, 0)),
    ],
)
def test_what_one_member_saw_otherwise_is_counted(
    numbers: list[int], expected: tuple[int, int, int, int]
) -> None:
    right = seen(1, 11, 2, 12)

    findings = checked(alice=right, bob=right, carol=seen(*numbers))

    assert counts(findings) == expected
    assert findings.examples


def test_a_message_that_became_two_events_is_doubled() -> None:
    twice = [*seen(1, 11, 2, 12), Seen("$other", ALICE, 2)]

    assert counts(checked(alice=twice)) == (0, 0, 1, 0)


def test_an_event_with_another_message_than_sent_is_wrong_and_not_missing() -> None:
    changed = [*seen(1, 11, 2), Seen("$e12", BOB, 99)]

    assert counts(checked(alice=changed)) == (1, 0, 0, 0)


def test_an_event_of_another_sender_is_wrong() -> None:
    changed = [*seen(1, 11, 2), Seen("$e12", ALICE, 12)]

    assert counts(checked(alice=changed)) == (1, 0, 0, 0)


def test_an_event_that_nobody_sent_is_wrong() -> None:
    strange = [*seen(1, 11, 2, 12), Seen("$name", ALICE, None)]

    assert counts(checked(alice=strange)) == (1, 0, 0, 0)


def test_an_unanswered_message_may_be_there_or_not_but_not_twice() -> None:
    uncertain = {Sent(BOB, 13)}
    once = [*seen(1, 11, 2, 12), Seen("$late", BOB, 13)]
    twice = [*once, Seen("$later", BOB, 13)]

    assert check_room(ACKNOWLEDGED, uncertain, {"alice": seen(1, 11, 2, 12)}).clean
    assert check_room(ACKNOWLEDGED, uncertain, {"alice": once}).clean
    assert counts(check_room(ACKNOWLEDGED, uncertain, {"alice": twice})) == (0, 0, 1, 0)


def test_one_order_for_all_is_not_enough_when_it_is_not_the_order_of_sending() -> None:
    swapped = seen(2, 11, 1, 12)

    assert counts(checked(alice=swapped, bob=swapped)) == (0, 0, 0, 1)
    assert check_room(
        ACKNOWLEDGED, (), {"alice": swapped, "bob": swapped}, senders_in_order=False
    ).clean


def test_a_room_that_nobody_read_has_nothing_to_find() -> None:
    assert check_room(ACKNOWLEDGED, (), {}).clean


def test_a_set_is_held_against_what_it_should_contain() -> None:
    findings = check_same_set(["a", "b", "c"], ["a", "a", "d"], "members")

    assert counts(findings) == (1, 2, 1, 0)


def test_the_keys_of_an_object_are_a_set_too() -> None:
    joined = {"a": {"display_name": None}, "b": {}}

    assert check_same_set(["a", "b"], joined, "members").clean


def test_orders_with_holes_agree_as_long_as_nothing_moved() -> None:
    orders = {"alice": ["a", "b", "c"], "bob": ["a", "b", "c"], "carol": ["a", "c"]}

    assert check_one_order(orders).clean
    assert check_one_order(orders | {"carol": ["c", "a"]}).reordered == 1


def test_findings_add_up_and_keep_a_few_examples() -> None:
    total = Findings()
    for number in range(9):
        total.add(Findings(missing=1, checked=2, examples=[f"{number} missing"]))

    assert counts(total) == (0, 9, 0, 0)
    assert total.checked == 18
    assert total.examples == [f"{number} missing" for number in range(5)]


def test_only_messages_of_the_load_generator_have_a_number() -> None:
    event = {"event_id": "$a", "sender": ALICE, "content": {"bench_n": 7}}

    assert seen_in(event) == Seen("$a", ALICE, 7)
    assert seen_in(event | {"content": {"bench_n": "7"}}).number is None
    assert seen_in(event | {"content": None}).number is None


@given(st.lists(st.integers(), max_size=9))
def test_the_longest_ascent_is_that_of_trying_all(values: list[int]) -> None:
    lengths: list[int] = []
    for at, value in enumerate(values):
        before = [lengths[other] for other in range(at) if values[other] < value]
        lengths.append(1 + max(before, default=0))

    assert longest_ascent(values) == max(lengths, default=0)
