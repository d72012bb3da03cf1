"""A thousand users are in an encrypted room; others join, and a member gets a further device.

A join ends when the one who joined has been told of everybody whose keys to ask for, and members
who poll have been told of the one who joined. Where a server tells no `device_lists`, it ends with
the news of the join itself, and there is no phase of devices.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import orjson

from bench.client import (
    CLIENT,
    Client,
    User,
    gather_in_order,
    join_request,
    room_path,
    sync_path,
    timeline_filter,
)
from bench.conversation import open_room
from bench.device_lists import PATIENCE_S, Watcher, changed_in, told
from bench.http import Answer, build_request
from bench.keys import Device, upload_identities
from bench.load import Audience
from bench.measure import Phase
from bench.stage import Stage
from bench.verify import Findings, check_same_set

MEMBERS: Final = 1000
WATCHERS: Final = 50
JOINS: Final = 20
DEVICES: Final = 20
_FILTER: Final = timeline_filter(10, lazy=True)
_PROBE_S: Final = 2.0


@dataclass(slots=True)
class Room:
    """The room, who is in it, and who of them poll."""

    room_id: str
    there: list[str]
    watchers: list[Watcher]
    lists: bool
    """Whether the server tells of devices."""


async def run(stage: Stage) -> None:
    """Measure joins until all are told whose keys to ask for, and further devices of a member."""
    client = stage.client
    members = await client.register_many("member", stage.sized(MEMBERS, least=100))
    joiners = await client.register_many("joiner", 1 + stage.sized(JOINS, least=5))
    await upload_identities(client, [Device(user) for user in [*members, *joiners]])
    room_id = await open_room(client, members)
    encryption = {"algorithm": "m.megolm.v1.aes-sha2"}
    path = room_path(room_id, "state/m.room.encryption/")
    await client.call("PUT", path, members[0], encryption)
    watching = members[:WATCHERS]
    filters = await gather_in_order(lambda user: client.store_filter(user, _FILTER), watching)
    tokens = await gather_in_order(lambda user: first_token(client, user), watching)
    own = await gather_in_order(lambda user: first_token(client, user), joiners)
    starts = list(zip(watching, tokens, strict=True))
    async with Audience(client.address, starts, filters, Watcher) as audience:
        watchers = [one for one in audience.pollers if isinstance(one, Watcher)]
        lists = await tells_lists(client, joiners[0], room_id, watchers)
        phase = stage.phase("join")
        there = [user.user_id for user in [*members, joiners[0]]]
        room = Room(room_id, there, watchers, lists=lists)
        answers = [
            await measure_join(stage, phase, room, joiner, since)
            for joiner, since in zip(joiners[1:], own[1:], strict=True)
        ]
        stage.close_phase(phase, answers, audience.failures)
        check_joins(stage.outcome.findings, joiners, watchers, lists=lists)
        if lists:
            await measure_devices(stage, members[-1], watchers)


async def tells_lists(client: Client, joiner: User, room_id: str, watchers: list[Watcher]) -> bool:
    """Let a first user join, and say whether the server tells members of their devices."""
    await client.answer(join_request(joiner, room_id))
    await told(watchers, lambda each: each.knows(joiner.user_id, lists=False))
    await told(watchers, lambda each: bool(each.changed), patience_s=_PROBE_S)
    return any(each.changed for each in watchers)


async def measure_join(stage: Stage, phase: Phase, room: Room, joiner: User, since: str) -> Answer:
    """Let a user join as a part of the phase; return an answer that lasted until all knew."""
    changed: set[str] = set()
    with phase:
        answer = await stage.client.answer(join_request(joiner, room.room_id))
        deadline = perf_counter() + PATIENCE_S
        has_room = False
        while perf_counter() < deadline:
            path = sync_path(since=since, timeout_ms=1000, sync_filter=_FILTER)
            body = await stage.client.call("GET", path, joiner)
            since = body["next_batch"]
            changed.update(changed_in(body))
            has_room = has_room or room.room_id in body.get("rooms", {}).get("join", {})
            if has_room and (not room.lists or changed.issuperset(room.there)):
                break
        known_at = perf_counter()
        await told(room.watchers, lambda each: each.knows(joiner.user_id, lists=room.lists))
        answer.finished_at = max(known_at, *(each.last_news_at for each in room.watchers))
        phase.finished_at = answer.finished_at
    if room.lists:
        changed.discard(joiner.user_id)
        found = check_same_set(room.there, changed, f"lists for {joiner.user_id}")
        stage.outcome.findings.add(found)
    room.there.append(joiner.user_id)
    return answer


async def measure_devices(stage: Stage, member: User, watchers: list[Watcher]) -> None:
    """Measure uploads of a further device's keys until all who poll are told of it."""
    phase = stage.phase("device")
    answers = []
    for _ in range(stage.sized(DEVICES, least=5)):
        device = Device(await stage.client.log_in(member))
        # The device itself may be told of before it has keys.
        await asyncio.sleep(0.5)
        before = {id(each): each.changed.count(member.user_id) for each in watchers}
        body = orjson.dumps({"device_keys": device.keys})
        path = f"{CLIENT}/keys/upload"
        with phase:
            answer = await stage.client.answer(
                build_request("POST", path, token=device.user.token, body=body)
            )
            is_told = news_of(member.user_id, before)
            await told(watchers, is_told)
            last_news_at = max(each.last_news_at for each in watchers)
            answer.finished_at = max(answer.finished_at, last_news_at)
            phase.finished_at = answer.finished_at
        names = [each.user.user_id for each in watchers]
        found = [each.user.user_id for each in watchers if is_told(each)]
        stage.outcome.findings.add(check_same_set(names, found, "told of a device"))
        answers.append(answer)
    stage.close_phase(phase, answers)


def news_of(user_id: str, before: dict[int, int]) -> Callable[[Watcher], bool]:
    """Return whether a watcher has been told of a user once more than before."""
    return lambda each: each.changed.count(user_id) > before[id(each)]


def check_joins(
    findings: Findings, joiners: list[User], watchers: list[Watcher], *, lists: bool
) -> None:
    """File of whom a member was not told."""
    expected = [user.user_id for user in joiners]
    for each in watchers:
        name = each.user.user_id
        findings.add(check_same_set(expected, each.joined, f"joins for {name}"))
        if lists:
            findings.add(check_same_set(expected, set(each.changed), f"lists for {name}"))


async def first_token(client: Client, user: User) -> str:
    """Return the token of a device's first sync."""
    return str((await client.call("GET", sync_path(sync_filter=_FILTER), user))["next_batch"])
