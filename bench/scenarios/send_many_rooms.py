"""A hundred rooms of two members, 50 senders in a closed loop going through their rooms."""

from bench.client import gather_in_order, open_connections
from bench.conversation import Conversation, Ledger, check_by_sync, message_job, open_room
from bench.load import closed_loop
from bench.stage import Stage

ROOMS_EACH = 2
SENDERS = 50
MESSAGES = 5000


async def run(stage: Stage) -> None:
    """Measure how fast many small rooms take messages."""
    senders = stage.sized(SENDERS, least=20)
    users = await stage.client.register_many("sender", senders)
    # Every sender owns two rooms; the other member is a sender as well, another one for each.
    pairs = [
        [users[place], users[(place + 1 + turn) % senders]]
        for turn in range(ROOMS_EACH)
        for place in range(senders)
    ]
    room_ids = await gather_in_order(lambda pair: open_room(stage.client, pair), pairs)
    talk = Conversation(dict(zip(room_ids, pairs, strict=True)))
    await talk.anchor(stage.client)
    each = stage.sized(MESSAGES // SENDERS, least=4)
    jobs = []
    for place, user in enumerate(users):
        own = [room_id for room_id, pair in talk.members_of.items() if user in pair]
        first = 1 + place * each
        jobs.append([message_job(user, own[turn % len(own)], first + turn) for turn in range(each)])
    async with open_connections(stage.client.address, senders) as connections:
        with stage.phase("send") as phase:
            done = await closed_loop(connections, jobs)
        stage.close_phase(phase, [each_done.answer for each_done in done])
    await check_by_sync(stage, talk, Ledger(done))
