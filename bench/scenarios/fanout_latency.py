"""Fifty members long-poll, one sends ten messages a second: from PUT to each member's sync."""

import asyncio
import re
from time import perf_counter

from bench.client import gather_in_order, open_connections, timeline_filter
from bench.conversation import (
    Conversation,
    Ledger,
    Message,
    check_by_sync,
    message_job,
    open_room,
)
from bench.http import Connection
from bench.load import Audience, Done, Job, Poller
from bench.scenarios.send_live import TIMELINE_LIMIT, check_live
from bench.stage import Stage

MEMBERS = 50
MESSAGES = 200
INTERVAL_S = 0.1
UNANSWERED = 50

_NUMBER = re.compile(rb'"bench_n":\s*(\d+)')


async def run(stage: Stage) -> None:
    """Measure how long a message takes to reach members who wait for it."""
    client = stage.client
    users = await client.register_many("member", stage.sized(MEMBERS, least=25))
    room_id = await open_room(client, users)
    talk = Conversation({room_id: users})
    await talk.anchor(client)
    messages = stage.sized(MESSAGES, least=20)
    jobs = [message_job(users[0], room_id, 1 + number) for number in range(messages)]
    narrow = timeline_filter(TIMELINE_LIMIT)
    filters = await gather_in_order(lambda user: client.store_filter(user, narrow), users)
    tokens = [(user, talk.tokens[user.user_id]) for user in users]
    async with (
        open_connections(client.address, UNANSWERED) as connections,
        Audience(client.address, tokens, filters) as audience,
    ):
        with stage.phase("deliver") as phase:
            done = await paced(connections, jobs)
            await audience.received(sum(each.answer.ok for each in done))
            answered_at = max(each.answer.finished_at for each in done)
            phase.finished_at = max(answered_at, audience.last_arrival_at())
        stage.close_phase(phase, [each.answer for each in done], audience.failures)
        phase.latencies_s = delivery_times(done, audience.pollers)
        stage.file(phase)
    # A message may be sent before the one before it is answered: no order of sending to check.
    ledger = Ledger(done, senders_in_order=False)
    await check_live(stage, talk, ledger, audience.pollers)
    await check_by_sync(stage, talk, ledger)


async def paced(connections: list[Connection], jobs: list[Job[Message]]) -> list[Done[Message]]:
    """Start each job at its time, whether or not the ones before have been answered.

    Only when every connection waits for an answer does the next job wait, too.
    """
    idle = asyncio.Queue[Connection]()
    for connection in connections:
        idle.put_nowait(connection)

    async def work(connection: Connection, job: Job[Message]) -> Done[Message]:
        answer = await connection.request(job.request)
        idle.put_nowait(connection)
        return Done(job.key, answer)

    started_at = perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for place, job in enumerate(jobs):
            await asyncio.sleep(max(0.0, started_at + place * INTERVAL_S - perf_counter()))
            tasks.append(group.create_task(work(await idle.get(), job)))
    return [task.result() for task in tasks]


def delivery_times(done: list[Done[Message]], pollers: list[Poller]) -> list[float]:
    """Return the seconds from each PUT until each member had the message."""
    sent_at = {each.key.sent.number: each.answer.started_at for each in done}
    return [
        arrival.at - sent_at[number]
        for poller in pollers
        for arrival in poller.arrivals
        for number in map(int, _NUMBER.findall(arrival.body))
        if number in sent_at
    ]
