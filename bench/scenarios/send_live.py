"""One room, 20 members who send in a closed loop while all of them long-poll."""

from bench.client import gather_in_order, open_connections, timeline_filter
from bench.conversation import Conversation, Ledger, check_by_sync, message_job, open_room
from bench.load import Audience, Poller, closed_loop
from bench.stage import Stage
from bench.timeline import Timeline

MEMBERS = 20
MESSAGES = 3000
TIMELINE_LIMIT = 1000


async def run(stage: Stage) -> None:
    """Measure how fast one room takes messages and hands them to live members."""
    client = stage.client
    users = await client.register_many("sender", MEMBERS)
    room_id = await open_room(client, users)
    talk = Conversation({room_id: users})
    await talk.anchor(client)
    each = stage.sized(MESSAGES // MEMBERS, least=5)
    jobs = [
        [message_job(user, room_id, 1 + place * each + turn) for turn in range(each)]
        for place, user in enumerate(users)
    ]
    narrow = timeline_filter(TIMELINE_LIMIT)
    filters = await gather_in_order(lambda user: client.store_filter(user, narrow), users)
    tokens = [(user, talk.tokens[user.user_id]) for user in users]
    async with (
        open_connections(client.address, MEMBERS) as connections,
        Audience(client.address, tokens, filters) as audience,
    ):
        with stage.phase("live") as phase:
            done = await closed_loop(connections, jobs)
            answered_at = max(each_done.answer.finished_at for each_done in done)
            await audience.received(sum(each_done.answer.ok for each_done in done))
            phase.finished_at = max(answered_at, audience.last_arrival_at())
        stage.close_phase(phase, [each_done.answer for each_done in done], audience.failures)
    ledger = Ledger(done)
    await check_live(stage, talk, ledger, audience.pollers)
    await check_by_sync(stage, talk, ledger)


async def check_live(
    stage: Stage, talk: Conversation, ledger: Ledger, pollers: list[Poller]
) -> None:
    """File what is wrong in the stream of answers that each member got while polling."""

    async def read(poller: Poller) -> Timeline:
        timeline = talk.timeline(stage.client, poller.user)
        for arrival in poller.arrivals:
            await timeline.take(arrival.body)
        return timeline

    timelines = await gather_in_order(read, pollers)
    stage.outcome.findings.add(ledger.check(timelines))
