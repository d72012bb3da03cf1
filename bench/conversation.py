"""Members talking in rooms: the set-up, the messages ready to send, and the check afterwards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from bench.client import Client, User, gather_in_order, message_request
from bench.load import Done, Job
from bench.stage import Stage
from bench.timeline import NARROW, WIDE, Timeline, take_tokens
from bench.verify import Findings, Seen, Sent, check_room, seen_in

# Every so many members, one reads the room through a narrow timeline and /messages instead of
# one wide sync, so that both ways are held against each other.
_NARROW_EVERY = 5


class Message(NamedTuple):
    """What a job sends; numbers are unique within a scenario."""

    room_id: str
    sent: Sent


@dataclass(slots=True)
class Conversation:
    """Rooms with their members, and for each member a token taken before anything is said."""

    members_of: dict[str, list[User]]
    anchors: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def members(self) -> list[User]:
        """Return everybody, each once."""
        return list({user for users in self.members_of.values() for user in users})

    async def anchor(self, client: Client) -> None:
        """Send a first message to every room and take every member's token after it."""

        async def send(room_id: str) -> tuple[str, str]:
            return room_id, await client.send(self.members_of[room_id][0], room_id, 0)

        first = dict(await gather_in_order(send, self.members_of))
        members = sorted(self.members, key=lambda user: user.user_id)
        self.anchors = {user.user_id: {} for user in members}
        for room_id, users in self.members_of.items():
            for user in users:
                self.anchors[user.user_id][room_id] = first[room_id]
        tokens = await take_tokens(client, members, self.anchors)
        self.tokens = {user.user_id: token for user, token in zip(members, tokens, strict=True)}

    def timeline(self, client: Client, user: User) -> Timeline:
        """Return an empty timeline of all rooms of a member."""
        return Timeline(client, user, self.anchors[user.user_id])


async def open_room(client: Client, members: Sequence[User]) -> str:
    """Create a public room of the first member, let the others join, and return its ID."""
    room_id = await client.create_room(members[0])
    await client.join(room_id, members[1:])
    return room_id


def message_job(user: User, room_id: str, number: int) -> Job[Message]:
    """Return the job that sends message `number`."""
    message = Message(room_id, Sent(user.user_id, number))
    return Job(message, message_request(user, room_id, number))


class Ledger:
    """What the server said about the messages: acknowledged as an event, or uncertain."""

    def __init__(self, done: Iterable[Done[Message]], *, senders_in_order: bool = True) -> None:
        """Take what was done, and whether each sender waited for one answer after another."""
        self.senders_in_order = senders_in_order
        self.acknowledged: dict[str, dict[str, Sent]] = {}
        self.uncertain: dict[str, set[Sent]] = {}
        self.findings = Findings()
        for (room_id, sent), answer in done:
            if not answer.ok:
                self.uncertain.setdefault(room_id, set()).add(sent)
                continue
            event_id = orjson.loads(answer.body)["event_id"]
            other = self.acknowledged.setdefault(room_id, {}).setdefault(event_id, sent)
            if other != sent:
                self.findings.wrong += 1
                self.findings.note(f"{event_id} acknowledged for {other} and {sent}")

    def expected_in(self, rooms: Iterable[str]) -> int:
        """Return how many messages these rooms should hold at least."""
        return sum(len(self.acknowledged.get(room_id, ())) for room_id in rooms)

    def check(self, timelines: Sequence[Timeline]) -> Findings:
        """Hold what the members saw of their rooms against the ledger."""
        findings = Findings()
        findings.add(self.findings)
        seen_by: dict[str, dict[str, list[Seen]]] = {}
        for timeline in timelines:
            for room_id, events in timeline.events.items():
                seen = [seen_in(event) for event in events]
                seen_by.setdefault(room_id, {})[timeline.user.user_id] = seen
        for room_id, members in seen_by.items():
            acknowledged: Mapping[str, Sent] = self.acknowledged.get(room_id, {})
            uncertain = self.uncertain.get(room_id, set())
            findings.add(
                check_room(acknowledged, uncertain, members, senders_in_order=self.senders_in_order)
            )
        return findings


async def check_by_sync(stage: Stage, talk: Conversation, ledger: Ledger) -> None:
    """Read every member's sync since before the messages and file what is wrong in it."""

    async def read(numbered: tuple[int, User]) -> Timeline:
        place, user = numbered
        timeline = talk.timeline(stage.client, user)
        expected = ledger.expected_in(timeline.events)
        limit = NARROW if place % _NARROW_EVERY == _NARROW_EVERY - 1 else WIDE
        since = talk.tokens[user.user_id]
        await timeline.follow(since, limit, lambda seen: seen.count() >= expected)
        return timeline

    members = sorted(talk.members, key=lambda user: user.user_id)
    timelines = await gather_in_order(read, list(enumerate(members)))
    stage.outcome.findings.add(ledger.check(timelines))
