"""Checks that what members saw of a room is what was sent: all, once, in one order."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

EXAMPLES_KEPT = 5


class Sent(NamedTuple):
    """A message as its sender knows it; numbers are unique in a scenario."""

    sender: str
    number: int


class Seen(NamedTuple):
    """An event as a member received it; the number is None when it is no message of ours."""

    event_id: str
    sender: str
    number: int | None


@dataclass(slots=True)
class Findings:
    """How many events were wrong, missing, doubled or out of order, and some examples."""

    wrong: int = 0
    missing: int = 0
    doubled: int = 0
    reordered: int = 0
    checked: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Say whether nothing was found."""
        return not (self.wrong or self.missing or self.doubled or self.reordered)

    def note(self, example: str) -> None:
        """Keep an example, the first few only."""
        if len(self.examples) < EXAMPLES_KEPT:
            self.examples.append(example)

    def add(self, other: "Findings") -> None:
        """Count another check's findings in."""
        self.wrong += other.wrong
        self.missing += other.missing
        self.doubled += other.doubled
        self.reordered += other.reordered
        self.checked += other.checked
        for example in other.examples:
            self.note(example)


def seen_in(event: Mapping[str, Any]) -> Seen:
    """Return the part of a client event that the checks compare."""
    content = event.get("content")
    number = content.get("bench_n") if isinstance(content, dict) else None
    return Seen(
        str(event.get("event_id")),
        str(event.get("sender")),
        number if isinstance(number, int) else None,
    )


def longest_ascent(values: Iterable[int]) -> int:
    """Return the length of the longest strictly ascending subsequence."""
    tails: list[int] = []
    for value in values:
        at = bisect_left(tails, value)
        if at == len(tails):
            tails.append(value)
        else:
            tails[at] = value
    return len(tails)


def check_room(
    acknowledged: Mapping[str, Sent],
    uncertain: Collection[Sent],
    seen_by: Mapping[str, Sequence[Seen]],
    *,
    senders_in_order: bool = True,
) -> Findings:
    """Hold what each member saw of a room against what the server acknowledged.

    `acknowledged` maps event IDs to messages. An uncertain message got no answer: it may be
    there once, or not at all. `senders_in_order` says that each sender waited for the answer
    before sending the next number, so that the room must hold them ascending.
    """
    findings = Findings()
    orders = {
        member: _check_member(findings, member, acknowledged, set(uncertain), seen)
        for member, seen in seen_by.items()
    }
    findings.add(
        check_one_order(
            {member: [event.event_id for event in kept] for member, kept in orders.items()}
        )
    )
    if senders_in_order:
        _check_senders(findings, max(orders.values(), key=len, default=[]))
    return findings


def check_one_order(orders: Mapping[str, Sequence[str]]) -> Findings:
    """Count for each member the events that stand elsewhere than for most members."""
    findings = Findings()
    if not orders:
        return findings
    reference = Counter(tuple(order) for order in orders.values()).most_common(1)[0][0]
    places = {event_id: place for place, event_id in enumerate(reference)}
    for member, order in orders.items():
        shared = [places[event_id] for event_id in order if event_id in places]
        moved = len(shared) - longest_ascent(shared)
        if moved:
            findings.reordered += moved
            findings.note(f"{member}: {moved} events stand elsewhere than for most members")
    return findings


def check_same_set(expected: Iterable[str], found: Iterable[str], where: str) -> Findings:
    """Hold a list without order against what it should contain, each exactly once."""
    wanted = set(expected)
    counts = Counter(list(found))
    findings = Findings(checked=counts.total())
    for item, count in counts.items():
        if item not in wanted:
            findings.wrong += 1
            findings.note(f"{where}: unexpected {item}")
        elif count > 1:
            findings.doubled += count - 1
            findings.note(f"{where}: {count} times {item}")
    absent = wanted - counts.keys()
    findings.missing = len(absent)
    if absent:
        findings.note(f"{where}: {len(absent)} missing, for example {min(absent)}")
    return findings


def _check_member(
    findings: Findings,
    member: str,
    acknowledged: Mapping[str, Sent],
    uncertain: set[Sent],
    seen: Sequence[Seen],
) -> list[Seen]:
    """Count what is wrong, missing or doubled for one member; return the rest in order."""
    by_id: set[str] = set()
    messages: set[Sent] = set()
    kept: list[Seen] = []
    for event in seen:
        findings.checked += 1
        message = None if event.number is None else Sent(event.sender, event.number)
        if event.event_id in by_id or (message is not None and message in messages):
            findings.doubled += 1
            findings.note(f"{member}: doubled {event}")
            continue
        by_id.add(event.event_id)
        expected = acknowledged.get(event.event_id)
        if message is None or (expected != message and message not in uncertain):
            findings.wrong += 1
            findings.note(f"{member}: wrong {event}, expected {expected}")
            continue
        messages.add(message)
        kept.append(event)
    absent = acknowledged.keys() - by_id
    findings.missing += len(absent)
    if absent:
        example = min(absent, key=lambda event_id: acknowledged[event_id].number)
        findings.note(f"{member}: {len(absent)} missing, first {acknowledged[example]}")
    return kept


def _check_senders(findings: Findings, order: Sequence[Seen]) -> None:
    """Count events that do not stand in the order in which their sender sent them."""
    numbers: dict[str, list[int]] = {}
    for event in order:
        if event.number is not None:
            numbers.setdefault(event.sender, []).append(event.number)
    for sender, sequence in numbers.items():
        moved = len(sequence) - longest_ascent(sequence)
        if moved:
            findings.reordered += moved
            findings.note(f"{moved} events of {sender} do not stand in the order of sending")
