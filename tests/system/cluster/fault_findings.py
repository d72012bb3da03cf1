"""Whether everybody sees each answered event once, in one order, through every replica."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.system.client import Homeserver, ids, texts, timeline_of
from tests.system.cluster.constant_load import Village
from tests.system.follower import Follower


class OldToken(NamedTuple):
    """A sync token from before a fault, and how much of each room its owner had seen by then."""

    follower: Follower
    since: str
    seen: dict[str, int]


def tokens_of(village: Village) -> list[OldToken]:
    """Return the tokens that people have now."""
    return [
        OldToken(one, one.since, {room_id: len(events) for room_id, events in one.rooms.items()})
        for one in village.followers
    ]


class Findings:
    """What is wrong in what people see; nothing, if all is well."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.reordered: list[str] = []

    def compare(self, view: str, seen: Sequence[str], expected: Sequence[str]) -> None:
        """Compare the events that somebody sees with those that everybody has to see."""
        place = {event_id: index for index, event_id in enumerate(expected)}
        counts = Counter(seen)
        self._note(self.lost, view, (one for one in expected if one not in counts))
        # What nobody else sees is there too often as well.
        self._note(
            self.doubled, view, (one for one in counts if counts[one] > 1 or one not in place)
        )
        known = [one for one in seen if one in place]
        later = (two for one, two in itertools.pairwise(known) if place[two] < place[one])
        self._note(self.reordered, view, later)

    def _note(self, kind: list[str], view: str, found: Iterable[str]) -> None:
        kind += [f"{view}: {one}" for one in found]


async def find(
    village: Village, tokens: Sequence[OldToken], homeservers: Sequence[Homeserver]
) -> Findings:
    """Look at all rooms through each of these: the proxy first, then single replicas."""
    findings = Findings()
    histories = await _compare_with_sent(findings, village)
    for room_id, history in histories.items():
        for follower in village.followers:
            seen = ids(follower.rooms[room_id])
            findings.compare(f"sync of {follower.client.user_id}", seen, history[-len(seen) :])
    for number, homeserver in enumerate(homeservers):
        await _compare_views(findings, village, histories, homeserver, f"server {number}")
        for token in tokens:
            await _compare_catching_up(findings, token, homeserver, f"server {number}")
    return findings


async def _compare_with_sent(findings: Findings, village: Village) -> dict[str, list[str]]:
    """Compare what was answered with the rooms' histories, and return the events of these."""
    histories = {}
    for room_id in village.rooms:
        events = await village.members[0].walk(room_id, limit=200)
        histories[room_id] = ids(events)
        sent = {one.event_id: one.text for one in village.sent if one.room_id == room_id}
        answered = [one for one in events if one["event_id"] in sent]
        # Twins have texts that were sent once, and IDs that nobody was answered.
        twins = Counter(texts(events)) - Counter(sent.values())
        findings.doubled += [f"twin in {room_id}: {text}" for text in twins]
        missing = Counter(sent.values()) - Counter(texts(answered))
        findings.lost += [f"missing in {room_id}: {text}" for text in missing]
    return histories


async def _compare_views(
    findings: Findings,
    village: Village,
    histories: dict[str, list[str]],
    homeserver: Homeserver,
    name: str,
) -> None:
    """Compare what a new device sees that speaks to this server alone."""
    bob = await village.homeserver.login("bob")
    device = bob.through(homeserver)
    first = await device.sync()
    for room_id, history in histories.items():
        for direction in "bf":
            seen = ids(await device.walk(room_id, direction=direction, limit=200))
            findings.compare(f"{name}, /messages {direction}", seen, history)
        latest = ids(timeline_of(first, room_id))
        findings.compare(f"{name}, first sync", latest, history[-len(latest) :])


async def _compare_catching_up(
    findings: Findings, token: OldToken, homeserver: Homeserver, name: str
) -> None:
    """Compare what follows an old token with what its owner has seen since."""
    owner, since, seen = token
    late = Follower(owner.client.through(homeserver), since)
    await late.catch_up()
    for room_id, events in owner.rooms.items():
        expected = ids(events)[seen.get(room_id, 0) :]
        findings.compare(f"{name}, from an old token", ids(late.rooms.get(room_id, [])), expected)
