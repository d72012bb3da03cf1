"""A room of 2000 members: its member list, its state, a lazy first sync, one more join."""

from typing import Any, Final

import orjson

from bench.client import (
    User,
    join_request,
    open_connections,
    room_path,
    sync_path,
    timeline_filter,
)
from bench.conversation import open_room
from bench.http import Answer, build_request
from bench.load import Job, closed_loop
from bench.stage import Stage
from bench.verify import check_same_set

MEMBERS: Final = 2000
TIMES: Final = 5
TIMELINE_LIMIT: Final = 20


async def run(stage: Stage) -> None:
    """Measure what a large room costs those who look at it or join it."""
    client = stage.client
    users = await client.register_many("member", stage.sized(MEMBERS, least=50))
    late = await client.register_many("late", TIMES)
    room_id = await open_room(client, users)
    # Another member each time, and each has only this room.
    members_of_interest = users[1 : 1 + TIMES]
    expected = [user.user_id for user in users]

    paths = {"members": room_path(room_id, "members"), "state": room_path(room_id, "state")}
    for name, path in paths.items():
        requests = [build_request("GET", path, token=user.token) for user in members_of_interest]
        for answer in await measure(stage, name, requests):
            events = orjson.loads(answer.body)
            found = joined_in(events["chunk"] if name == "members" else events)
            stage.outcome.findings.add(check_same_set(expected, found, name))

    lazy = sync_path(sync_filter=timeline_filter(TIMELINE_LIMIT, lazy=True))
    requests = [build_request("GET", lazy, token=user.token) for user in members_of_interest]
    for answer in await measure(stage, "lazy-sync", requests):
        joined = orjson.loads(answer.body)["rooms"]["join"]
        stage.outcome.findings.add(check_same_set([room_id], joined, "rooms of the lazy sync"))

    await measure(stage, "join", [join_request(user, room_id) for user in late])
    await check_joined(stage, room_id, users, late)


async def measure(stage: Stage, name: str, requests: list[bytes]) -> list[Answer]:
    """Make the requests one after another as a phase; return the good answers."""
    jobs = [Job(place, request) for place, request in enumerate(requests)]
    async with open_connections(stage.client.address, 1) as connections:
        with stage.phase(name) as phase:
            done = await closed_loop(connections, [jobs])
        stage.close_phase(phase, [each.answer for each in done])
    return [each.answer for each in done if each.answer.ok]


async def check_joined(stage: Stage, room_id: str, users: list[User], late: list[User]) -> None:
    """File who is missing from the room after the last joins."""
    answer = await stage.client.call("GET", room_path(room_id, "joined_members"), late[-1])
    expected = [user.user_id for user in [*users, *late]]
    stage.outcome.findings.add(check_same_set(expected, answer["joined"], "joined members"))


def joined_in(events: list[dict[str, Any]]) -> list[str]:
    """Return the users whom these state events say to have joined."""
    return [
        event["state_key"]
        for event in events
        if event["type"] == "m.room.member" and event["content"]["membership"] == "join"
    ]
