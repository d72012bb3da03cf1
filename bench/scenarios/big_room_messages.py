"""The same messages and topics in a room of 10 and in one of 10,000, in turns.

What they cost should depend on the change, not on how many are in the room.
"""

from collections.abc import Sequence
from typing import Final

import orjson

from bench.client import User, message_request, open_connections, room_path
from bench.conversation import open_room
from bench.http import Answer, build_request
from bench.load import Job, closed_loop
from bench.measure import Phase
from bench.stage import Stage
from bench.verify import check_same_set

MEMBERS: Final = 10_000
FEW: Final = 10
SENDERS: Final = 10
TURNS: Final = 5
MESSAGES: Final = 400
TOPICS: Final = 100
"""In each turn, for each of the rooms."""


async def run(stage: Stage) -> None:
    """Measure what the size of a room adds to a message and to a change of its state."""
    users = await stage.client.register_many("member", stage.sized(MEMBERS, least=100))
    senders = users[:SENDERS]
    rooms = {
        "few": await open_room(stage.client, users[:FEW]),
        "many": await open_room(stage.client, users),
    }
    messages = {name: stage.phase(f"messages-{name}") for name in rooms}
    topics = {name: stage.phase(f"topics-{name}") for name in rooms}
    answers: dict[Phase, list[Answer]] = {}
    each = stage.sized(MESSAGES // SENDERS, least=10)
    for turn in range(TURNS):
        for name, room_id in rooms.items():
            said = [
                [
                    Job(0, message_request(user, room_id, (turn * SENDERS + place) * each + one))
                    for one in range(each)
                ]
                for place, user in enumerate(senders)
            ]
            answers.setdefault(messages[name], []).extend(await send(stage, messages[name], said))
            changed = [[Job(0, topic_request(users[0], room_id, turn, n)) for n in range(TOPICS)]]
            answers.setdefault(topics[name], []).extend(await send(stage, topics[name], changed))
    for phase, given in answers.items():
        stage.close_phase(phase, given)
    for room_id in rooms.values():
        path = room_path(room_id, "state/m.room.topic")
        found = await stage.client.call("GET", path, users[0])
        last = topic_text(TURNS - 1, TOPICS - 1)
        stage.outcome.findings.add(check_same_set([last], [found["topic"]], "the topic"))


async def send(stage: Stage, phase: Phase, jobs: Sequence[Sequence[Job[int]]]) -> list[Answer]:
    """Make each list's requests one after another, the lists at once, within the phase."""
    async with open_connections(stage.client.address, len(jobs)) as connections:
        with phase:
            done = await closed_loop(connections, jobs)
    return [each.answer for each in done]


def topic_request(user: User, room_id: str, turn: int, number: int) -> bytes:
    """Return the request that sets a topic, another one each time."""
    body = orjson.dumps({"topic": topic_text(turn, number)})
    path = room_path(room_id, "state/m.room.topic")
    return build_request("PUT", path, token=user.token, body=body)


def topic_text(turn: int, number: int) -> str:
    """Return the topic of a turn."""
    return f"Topic {number} of turn {turn}"
