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
        open_connections(client.address, 1) as connections,
        Audience(client.address, tokens, filters) as audience,
    ):
        with stage.phase("deliver") as phase:
            done = await paced(connections[0], jobs)
            await audience.received(sum(each.answer.ok for each in done))
            phase.finished_at = max(done[-1].answer.finished_at, audience.last_arrival_at())
        stage.close_phase(phase, [each.answer for each in done])
        phase.latencies_s = delivery_times(done, audience.pollers)
        stage.file(phase)
    for failure in audience.failures:
        stage.count_error(failure)
    ledger = Ledger(done)
    await check_live(stage, talk, ledger, audience.pollers)
    await check_by_sync(stage, talk, ledger)


async def paced(connection: Connection, jobs: list[Job[Message]]) -> list[Done[Message]]:
    """Do the jobs one after another, each not before its time nor before the last's answer."""
    done: list[Done[Message]] = []
    started_at = perf_counter()
    for place, job in enumerate(jobs):
        await asyncio.sleep(started_at + place * INTERVAL_S - perf_counter())
        done.append(Done(job.key, await connection.request(job.request)))
    return done


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
