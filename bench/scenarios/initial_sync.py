"""A user in 200 rooms logs in: the first sync after a start, more of them, and small ones."""

import asyncio
from typing import Final

import orjson

from bench.client import Client, User, gather_in_order, sync_path, timeline_filter, token_in
from bench.conversation import open_room
from bench.http import Answer, build_request
from bench.stage import Stage
from bench.verify import Seen, Sent, check_room, check_same_set, seen_in

ROOMS: Final = 200
MEMBERS: Final = 10
MESSAGES: Final = 20
CHANGED: Final = 10
WARM: Final = 3
INCREMENTAL: Final = 5
SETTLE_S: Final = 0.2

Written = dict[str, dict[str, Sent]]


async def run(stage: Stage) -> None:
    """Measure the initial sync cold and warm, and the sync after some rooms changed."""
    client = stage.client
    users = await client.register_many("member", MEMBERS)
    rooms = stage.sized(ROOMS, least=2 * CHANGED)
    room_ids = await gather_in_order(lambda _: open_room(client, users), range(rooms))
    written = await fill(client, users, room_ids)
    # A new device for each sync, as when a user logs in: no server may answer from a cache
    # of whole answers, which would say nothing about the work.
    devices = [await client.log_in(users[1]) for _ in range(1 + WARM)]
    await stage.restart()
    sync_filter = timeline_filter(MESSAGES)
    requests = [
        build_request("GET", sync_path(sync_filter=sync_filter), token=device.token)
        for device in devices
    ]
    answers = await measure(stage, "cold", requests[:1])
    answers += await measure(stage, "warm", requests[1:])
    for answer in answers:
        check_initial(stage, written, answer)
    await small_syncs(stage, users[0], devices[-1], room_ids[:CHANGED], answers[-1])


async def fill(client: Client, users: list[User], room_ids: list[str]) -> Written:
    """Send the messages to all rooms and return them by room and event ID."""
    numbers = iter(range(1, 1 + len(room_ids) * MESSAGES))
    plan = [
        (room_id, [(users[turn % MEMBERS], next(numbers)) for turn in range(MESSAGES)])
        for room_id in room_ids
    ]

    async def fill_one(item: tuple[str, list[tuple[User, int]]]) -> dict[str, Sent]:
        room_id, messages = item
        return {
            await client.send(user, room_id, number): Sent(user.user_id, number)
            for user, number in messages
        }

    return dict(zip(room_ids, await gather_in_order(fill_one, plan), strict=True))


async def measure(stage: Stage, name: str, requests: list[bytes]) -> list[Answer]:
    """Make the requests one after another as a phase and return their answers."""
    with stage.phase(name) as phase:
        answers = [await stage.client.answer(request) for request in requests]
    stage.close_phase(phase, answers)
    return answers


def check_initial(stage: Stage, written: Written, answer: Answer) -> None:
    """File what is wrong in an initial sync: all rooms, and in each the last messages."""
    joined = orjson.loads(answer.body)["rooms"]["join"]
    findings = stage.outcome.findings
    findings.add(check_same_set(written, joined, "rooms of the initial sync"))
    for room_id in written.keys() & joined.keys():
        seen = [seen_in(event) for event in joined[room_id]["timeline"]["events"]]
        findings.add(check_room(written[room_id], (), {room_id: seen}))


async def small_syncs(
    stage: Stage, sender: User, reader: User, room_ids: list[str], last: Answer
) -> None:
    """Measure syncs after one message in each of some rooms, several times over."""
    since = token_in(last.body, b"next_batch")
    phase = stage.phase("incremental")
    answers: list[Answer] = []
    for turn in range(INCREMENTAL):
        sent: Written = {}
        for place, room_id in enumerate(room_ids):
            number = 1_000_000 + turn * len(room_ids) + place
            event_id = await stage.client.send(sender, room_id, number)
            sent[room_id] = {event_id: Sent(sender.user_id, number)}
        # The reader is somebody else than the sender: what was sent may take a moment to be
        # in the reader's sync, and this measures the sync, not the delivery.
        await asyncio.sleep(SETTLE_S)
        path = sync_path(since=since, sync_filter=timeline_filter(MESSAGES))
        with phase:
            answer = await stage.client.answer(build_request("GET", path, token=reader.token))
        since = token_in(answer.body, b"next_batch")
        joined = orjson.loads(answer.body)["rooms"]["join"]
        for room_id, expected in sent.items():
            events = joined.get(room_id, {"timeline": {"events": []}})["timeline"]["events"]
            seen: list[Seen] = [seen_in(event) for event in events]
            stage.outcome.findings.add(check_room(expected, (), {room_id: seen}))
        answers.append(answer)
    stage.close_phase(phase, answers)
