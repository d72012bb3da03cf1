"""A user in 2000 rooms syncs on: after nothing, one message, and one in each of 20 rooms."""

import asyncio
from typing import Final

import orjson

from bench.client import User, gather_in_order, sync_path, timeline_filter, token_in
from bench.conversation import open_room
from bench.http import Answer, build_request
from bench.measure import Phase
from bench.stage import Stage
from bench.verify import Seen, Sent, check_room, seen_in

ROOMS: Final = 2000
TURNS: Final = 20
CHANGED: Final = {"quiet": 0, "one": 1, "twenty": 20}
"""How many rooms change before a sync, by the name of the phase."""
SETTLE_S: Final = 0.1


async def run(stage: Stage) -> None:
    """Measure syncs of somebody in many rooms: they should cost what changed."""
    writer, reader = await stage.client.register_many("member", 2)
    count = stage.sized(ROOMS, least=2 * max(CHANGED.values()))
    rooms = await gather_in_order(lambda _: open_room(stage.client, [writer, reader]), range(count))
    first = build_request("GET", sync_path(sync_filter=timeline_filter(1)), token=reader.token)
    answer = await stage.client.answer(first)
    since = token_in(answer.body, b"next_batch")
    numbers = iter(range(1, 1 + TURNS * sum(CHANGED.values())))
    for name, changed in CHANGED.items():
        phase = stage.phase(name)
        answers = []
        for turn in range(TURNS):
            # Others each time, all over the list.
            start = turn * changed % count
            chosen = [rooms[(start + step) % count] for step in range(changed)]
            sent = [await send(stage, writer, room_id, next(numbers)) for room_id in chosen]
            # The reader is somebody else: what was sent may take a moment to be in their sync.
            await asyncio.sleep(SETTLE_S)
            answer = await sync(stage, phase, reader, since, dict(zip(chosen, sent, strict=True)))
            since = token_in(answer.body, b"next_batch")
            answers.append(answer)
        stage.close_phase(phase, answers)


async def send(stage: Stage, writer: User, room_id: str, number: int) -> dict[str, Sent]:
    """Send a message and return what the room has to have then."""
    return {await stage.client.send(writer, room_id, number): Sent(writer.user_id, number)}


async def sync(
    stage: Stage,
    phase: Phase,
    reader: User,
    since: str | None,
    expected: dict[str, dict[str, Sent]],
) -> Answer:
    """Sync once within the phase, file what is wrong in the answer, and return it."""
    path = sync_path(since=since, sync_filter=timeline_filter(20))
    with phase:
        answer = await stage.client.answer(build_request("GET", path, token=reader.token))
    joined = orjson.loads(answer.body)["rooms"].get("join", {})
    for room_id, messages in expected.items():
        events = joined.get(room_id, {"timeline": {"events": []}})["timeline"]["events"]
        seen: list[Seen] = [seen_in(event) for event in events]
        stage.outcome.findings.add(check_room(messages, (), {room_id: seen}))
    return answer
