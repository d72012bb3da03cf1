"""Three hundred users join one public room, 20 at once, while a few members look on."""

from bench.client import AT_ONCE, User, gather_in_order, join_request, open_connections, room_path
from bench.conversation import Conversation, open_room
from bench.load import Job, closed_loop
from bench.stage import Stage
from bench.timeline import NARROW, WIDE, Timeline
from bench.verify import check_one_order, check_same_set

WATCHERS = 5
JOINS = 300
SAMPLED = 10


async def run(stage: Stage) -> None:
    """Measure how fast a room takes joins."""
    client = stage.client
    watchers = await client.register_many("watcher", WATCHERS)
    joiners = await client.register_many("joiner", stage.sized(JOINS, least=AT_ONCE))
    room_id = await open_room(client, watchers)
    talk = Conversation({room_id: watchers})
    await talk.anchor(client)
    waiting = iter([Job(user, join_request(user, room_id)) for user in joiners])
    async with open_connections(client.address, AT_ONCE) as connections:
        with stage.phase("join") as phase:
            done = await closed_loop(connections, [waiting] * AT_ONCE)
        stage.close_phase(phase, [each.answer for each in done])
    joined = [each.key for each in done if each.answer.ok]
    await check_watchers(stage, talk, joined)
    await check_members(stage, room_id, joined, watchers)


async def check_watchers(stage: Stage, talk: Conversation, joined: list[User]) -> None:
    """File what is wrong with the joins that those saw who were there before."""

    async def read(numbered: tuple[int, User]) -> Timeline:
        place, user = numbered
        timeline = talk.timeline(stage.client, user)
        limit = WIDE if place else NARROW
        since = talk.tokens[user.user_id]
        await timeline.follow(since, limit, lambda seen: seen.count() >= len(joined))
        return timeline

    expected = [user.user_id for user in joined]
    orders: dict[str, list[str]] = {}
    for timeline in await gather_in_order(read, list(enumerate(talk.members))):
        events = [event for each in timeline.events.values() for event in each]
        found = [f"{event['state_key']}" if is_join(event) else f"{event}" for event in events]
        watcher = timeline.user.user_id
        stage.outcome.findings.add(check_same_set(expected, found, watcher))
        orders[watcher] = [event["event_id"] for event in events]
    stage.outcome.findings.add(check_one_order(orders))


async def check_members(
    stage: Stage, room_id: str, joined: list[User], watchers: list[User]
) -> None:
    """File who is missing from the member list that some of the joined users get."""
    expected = [user.user_id for user in [*joined, *watchers]]
    for user in joined[:: max(1, len(joined) // SAMPLED)]:
        answer = await stage.client.call("GET", room_path(room_id, "joined_members"), user)
        where = f"members for {user.user_id}"
        stage.outcome.findings.add(check_same_set(expected, answer["joined"], where))


def is_join(event: dict[str, object]) -> bool:
    """Say whether an event is a join."""
    content = event.get("content")
    return (
        event.get("type") == "m.room.member"
        and isinstance(content, dict)
        and content.get("membership") == "join"
    )
