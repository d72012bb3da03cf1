"""Twenty senders write to a hundred devices with each request, as for the keys of a room."""

import secrets
from collections.abc import Iterable
from typing import Final

import orjson

from bench.client import (
    CLIENT,
    Client,
    User,
    gather_in_order,
    open_connections,
    sync_path,
    timeline_filter,
)
from bench.http import Answer, build_request
from bench.load import Audience, Done, Job, closed_loop
from bench.stage import Stage
from bench.verify import Seen, Sent, check_room

SENDERS: Final = 20
RECIPIENTS: Final = 50
DEVICES_EACH: Final = 2
LIVE: Final = 300
WAITING: Final = 200
_EMPTY_POLLS: Final = 10
_POLL_MS: Final = 1000


async def run(stage: Stage) -> None:
    """Measure messages to devices that poll, and how those get theirs that were away."""
    client = stage.client
    senders = await client.register_many("sender", SENDERS)
    phones = await client.register_many("recipient", RECIPIENTS)
    others = [await client.log_in(user) for user in phones for _ in range(DEVICES_EACH - 1)]
    devices = [*phones, *others]
    tokens = await measure_live(stage, senders, devices)
    await measure_collecting(stage, senders, devices, tokens)


async def measure_live(stage: Stage, senders: list[User], devices: list[User]) -> list[str]:
    """Measure sends until all devices, which poll, have got the messages; return their tokens."""
    client = stage.client
    jobs = send_jobs(senders, devices, stage.sized(LIVE // SENDERS, least=3), first=0)
    filters = await gather_in_order(lambda user: client.store_filter(user, FILTER), devices)
    tokens = await gather_in_order(lambda user: first_token(client, user), devices)
    async with (
        open_connections(client.address, SENDERS) as connections,
        Audience(client.address, list(zip(devices, tokens, strict=True)), filters) as audience,
    ):
        with stage.phase("live") as phase:
            done = await closed_loop(connections, jobs)
            answered_at = max(each.answer.finished_at for each in done)
            await audience.received(sum(each.answer.ok for each in done))
            phase.finished_at = max(answered_at, audience.last_arrival_at())
        answers = [each.answer for each in done]
        stage.close_phase(phase, answers, audience.failures, operations_each=len(devices))
    seen = [[arrival.body for arrival in poller.arrivals] for poller in audience.pollers]
    check(stage, done, devices, seen)
    return [poller.since for poller in audience.pollers]


async def measure_collecting(
    stage: Stage, senders: list[User], devices: list[User], tokens: list[str]
) -> None:
    """Measure how devices read what was sent to them while they were away, and confirm it."""
    jobs = send_jobs(senders, devices, stage.sized(WAITING // SENDERS, least=3), first=LIVE)
    async with open_connections(stage.client.address, SENDERS) as connections:
        done = await closed_loop(connections, jobs)
    expected = sum(each.answer.ok for each in done)

    async def collect(place: int) -> list[Answer]:
        return await collected(stage.client, devices[place], tokens[place], expected)

    with stage.phase("collect") as phase:
        answers = await gather_in_order(collect, range(len(devices)))
    phase.operations = expected * len(devices)
    phase.latencies_s = [answer.seconds for each in answers for answer in each]
    stage.file(phase)
    check(stage, done, devices, [[answer.body for answer in each] for each in answers])


def send_jobs(
    senders: list[User], devices: list[User], each: int, *, first: int
) -> list[list[Job[Sent]]]:
    """Return for each sender this many requests, which all write to all devices."""
    jobs = []
    for place, sender in enumerate(senders):
        start = first + place * each
        jobs.append([send_job(sender, devices, start + turn) for turn in range(each)])
    return jobs


def send_job(sender: User, devices: list[User], number: int) -> Job[Sent]:
    """Return the request that sends each device something encrypted for it alone."""
    messages: dict[str, dict[str, object]] = {}
    for device in devices:
        key = secrets.token_urlsafe(32)
        messages.setdefault(device.user_id, {})[device.device_id] = {
            "algorithm": "m.olm.v1.curve25519-aes-sha2",
            "ciphertext": {key: {"type": 1, "body": secrets.token_urlsafe(480)}},
            "sender_key": key,
            "bench_n": number,
        }
    path = f"{CLIENT}/sendToDevice/m.room.encrypted/bench{number}"
    body = orjson.dumps({"messages": messages})
    request = build_request("PUT", path, token=sender.token, body=body)
    return Job(Sent(sender.user_id, number), request)


async def first_token(client: Client, user: User) -> str:
    """Return the token of a device's first sync."""
    return str((await client.call("GET", sync_path(sync_filter=FILTER), user))["next_batch"])


async def collected(client: Client, device: User, since: str, expected: int) -> list[Answer]:
    """Return the answers that bring this many messages, and one by which they are confirmed."""
    answers: list[Answer] = []
    found = empty = timeout_ms = 0
    while empty < _EMPTY_POLLS:
        path = sync_path(since=since, sync_filter=FILTER, timeout_ms=timeout_ms)
        answer = await client.answer(build_request("GET", path, token=device.token))
        answers.append(answer)
        body = orjson.loads(answer.body)
        since = body["next_batch"]
        events = body.get("to_device", {}).get("events", [])
        if found >= expected and not events:
            break
        found += len(events)
        empty += not events
        timeout_ms = 0 if events else _POLL_MS
    return answers


def check(
    stage: Stage, done: list[Done[Sent]], devices: list[User], bodies: list[list[bytes]]
) -> None:
    """File what each device did not get once, and in the order in which its sender sent it."""
    acknowledged = {_name(each.key): each.key for each in done if each.answer.ok}
    uncertain = [each.key for each in done if not each.answer.ok]
    for device, own in zip(devices, bodies, strict=True):
        where = f"{device.user_id} {device.device_id}"
        found = check_room(acknowledged, uncertain, {where: list(_seen(own))})
        stage.outcome.findings.add(found)


def _seen(bodies: list[bytes]) -> Iterable[Seen]:
    for body in bodies:
        for event in orjson.loads(body).get("to_device", {}).get("events", []):
            sent = Sent(event["sender"], event["content"]["bench_n"])
            yield Seen(_name(sent), sent.sender, sent.number)


def _name(sent: Sent) -> str:
    return f"{sent.sender} {sent.number}"


FILTER: Final = timeline_filter(1)
