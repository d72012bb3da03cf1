"""Ten thousand long polls of a hundred users wait for nothing, and then for one message."""

import asyncio
import os
from typing import Final

import orjson
import psutil

from bench.client import (
    User,
    gather_in_order,
    message_request,
    sync_path,
    timeline_filter,
    token_in,
)
from bench.conversation import open_room
from bench.http import Answer, Connection, build_request
from bench.measure import tree_cpu_s, tree_rss_mb
from bench.stage import Stage
from bench.verify import Seen, Sent, check_room, seen_in

USERS: Final = 100
POLLS_PER_USER: Final = 100
IDLE_S: Final = 10.0
OPENED_AT_ONCE: Final = 100
POLL_TIMEOUT_S: Final = 60.0
"""Long enough for all polls to be opened, to idle, and to be woken."""
SPARE_FILES: Final = 1000


async def run(stage: Stage) -> None:
    """Measure what a waiting poll costs in memory, and all of them in processor time."""
    users = await stage.client.register_many("idler", stage.sized(USERS, least=2))
    polls = len(users) * POLLS_PER_USER
    for pid in (os.getpid(), stage.server.pid):
        raise_file_limit(pid, polls + SPARE_FILES)
    room_id = await open_room(stage.client, users)
    requests = await gather_in_order(lambda user: poll_request(stage, user), users)
    connections = [Connection(stage.client.address) for _ in range(polls)]
    try:
        before_mb = tree_rss_mb(stage.server.pid)
        waiting: list[asyncio.Task[Answer]] = []
        with stage.phase("open") as phase:
            pairs = list(zip(connections, requests * POLLS_PER_USER, strict=True))
            for start in range(0, polls, OPENED_AT_ONCE):
                some = pairs[start : start + OPENED_AT_ONCE]
                await asyncio.gather(*[connection.open() for connection, _ in some])
                waiting += [
                    asyncio.create_task(connection.request(request, 2 * POLL_TIMEOUT_S))
                    for connection, request in some
                ]
                await asyncio.sleep(0)
            await until_quiet(stage)
        phase.operations = polls
        stage.file(phase)
        await idle(stage, polls, before_mb)
        with stage.phase("wake") as phase:
            sent = await stage.client.answer(message_request(users[0], room_id, 1))
            answers = await asyncio.gather(*waiting)
        stage.close_phase(phase, answers)
        expected = {orjson.loads(sent.body)["event_id"]: Sent(users[0].user_id, 1)}
        for answer in answers:
            if answer.ok:
                seen = messages_in(answer, room_id)
                stage.outcome.findings.add(check_room(expected, (), {room_id: seen}))
    finally:
        for connection in connections:
            connection.close()


async def poll_request(stage: Stage, user: User) -> bytes:
    """Return the long poll of a user from now on."""
    answer = await stage.client.answer(build_request("GET", sync_path(), token=user.token))
    path = sync_path(
        since=token_in(answer.body, b"next_batch"),
        timeout_ms=int(POLL_TIMEOUT_S * 1000),
        sync_filter=timeline_filter(1),
    )
    return build_request("GET", path, token=user.token)


async def until_quiet(stage: Stage) -> None:
    """Return once the server rests."""
    used = tree_cpu_s(stage.server.pid)
    while True:
        await asyncio.sleep(0.5)
        before, used = used, tree_cpu_s(stage.server.pid)
        if used - before < 0.02:  # noqa: PLR2004 (4 % of a core)
            return


async def idle(stage: Stage, polls: int, before_mb: float) -> None:
    """File what all polls cost while nothing happens."""
    with stage.phase("idle") as phase:
        await asyncio.sleep(IDLE_S)
    phase.operations = polls
    stage.file(phase)
    metrics = stage.outcome.phases["idle"]
    metrics["kb_per_poll"] = (tree_rss_mb(stage.server.pid) - before_mb) * 1000 / polls
    metrics["idle_cpu_percent"] = 100 * phase.server_cpu_s / IDLE_S


def messages_in(answer: Answer, room_id: str) -> list[Seen]:
    """Return what an answer has of the room."""
    joined = orjson.loads(answer.body)["rooms"].get("join", {})
    events = joined.get(room_id, {"timeline": {"events": []}})["timeline"]["events"]
    return [seen_in(event) for event in events]


def raise_file_limit(pid: int, wanted: int) -> None:
    """Let a process have this many files open, as far as it may."""
    process = psutil.Process(pid)
    soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    if soft < wanted:
        process.rlimit(psutil.RLIMIT_NOFILE, (min(wanted, hard), hard))
