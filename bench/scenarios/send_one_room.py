"""One room, 20 members who all send in a closed loop; then everybody's sync is checked."""

from bench.client import open_connections
from bench.conversation import Conversation, Ledger, check_by_sync, message_job, open_room
from bench.load import closed_loop
from bench.stage import Stage

MEMBERS = 20
MESSAGES = 3000


async def run(stage: Stage) -> None:
    """Measure how fast one room takes messages."""
    users = await stage.client.register_many("sender", MEMBERS)
    room_id = await open_room(stage.client, users)
    talk = Conversation({room_id: users})
    await talk.anchor(stage.client)
    each = stage.sized(MESSAGES // MEMBERS, least=5)
    jobs = [
        [message_job(user, room_id, 1 + place * each + turn) for turn in range(each)]
        for place, user in enumerate(users)
    ]
    async with open_connections(stage.client.address, MEMBERS) as connections:
        with stage.phase("send") as phase:
            done = await closed_loop(connections, jobs)
        stage.close_phase(phase, [each_done.answer for each_done in done])
    await check_by_sync(stage, talk, Ledger(done))
