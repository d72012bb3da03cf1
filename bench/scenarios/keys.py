"""A hundred users with three devices each: keys are uploaded, asked for and claimed."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from bench.client import AT_ONCE, CLIENT, Client, User, gather_in_order, open_connections
from bench.http import Answer, build_request
from bench.keys import SIGNED_CURVE25519, CrossSigning, Device
from bench.load import Job, closed_loop
from bench.stage import Stage
from bench.verify import Findings, check_same_set

USERS: Final = 100
DEVICES_EACH: Final = 3
QUERIES: Final = 200
CLAIMS: Final = 50
"""Each takes a one-time key of every device, so that each device has this many at least."""
CLAIMS_AT_ONCE: Final = 4

Upload = tuple[Device, dict[str, Any]]


async def run(stage: Stage) -> None:
    """Measure uploads of keys, queries for all devices' keys, and claims of one key of each."""
    client = stage.client
    users = await client.register_many("owner", USERS)
    askers = await client.register_many("asker", AT_ONCE)
    others = await gather_in_order(client.log_in, users * (DEVICES_EACH - 1))
    devices = [Device(user) for user in [*users, *others]]
    uploads = [(device, device.one_time_keys(CLAIMS)) for device in devices]
    answers = await measure(stage, "upload", [upload_job(one) for one in uploads], AT_ONCE)
    check_counts(stage.outcome.findings, answers)
    signings = await cross_sign(client, users, devices)
    queries = [query_job(askers[turn % AT_ONCE], users) for turn in range(stage.sized(QUERIES))]
    answers = await measure(stage, "query", queries, AT_ONCE)
    expected = shown_keys(devices, signings)
    for answer in answers:
        check_query(stage.outcome.findings, answer, expected, signings)
    claims = [
        claim_job(askers[turn % AT_ONCE], devices) for turn in range(stage.sized(CLAIMS, least=10))
    ]
    answers = await measure(stage, "claim", claims, CLAIMS_AT_ONCE)
    check_claims(stage.outcome.findings, answers, uploads)


def upload_job(upload: Upload) -> Job[None]:
    """Return the request that uploads a new device's keys."""
    device, one_time_keys = upload
    body = orjson.dumps({"device_keys": device.keys, "one_time_keys": one_time_keys})
    path = f"{CLIENT}/keys/upload"
    return Job(None, build_request("POST", path, token=device.user.token, body=body))


def query_job(asker: User, users: Sequence[User]) -> Job[None]:
    """Return the request that asks for all keys of users."""
    body = orjson.dumps({"device_keys": {user.user_id: [] for user in users}})
    return Job(None, build_request("POST", f"{CLIENT}/keys/query", token=asker.token, body=body))


def claim_job(asker: User, devices: Sequence[Device]) -> Job[None]:
    """Return the request that claims a one-time key of each device."""
    wanted: dict[str, dict[str, str]] = {}
    for device in devices:
        wanted.setdefault(device.user.user_id, {})[device.user.device_id] = SIGNED_CURVE25519
    body = orjson.dumps({"one_time_keys": wanted})
    return Job(None, build_request("POST", f"{CLIENT}/keys/claim", token=asker.token, body=body))


async def measure(stage: Stage, name: str, jobs: list[Job[None]], at_once: int) -> list[Answer]:
    """Do the jobs as a phase; return what was answered 200."""
    waiting = iter(jobs)
    async with open_connections(stage.client.address, at_once) as connections:
        with stage.phase(name) as phase:
            done = await closed_loop(connections, [waiting] * at_once)
        stage.close_phase(phase, [each.answer for each in done])
    return [each.answer for each in done if each.answer.ok]


async def cross_sign(
    client: Client, users: list[User], devices: list[Device]
) -> list[CrossSigning]:
    """Let each user have cross-signing keys, with which all their devices are signed."""

    async def sign(user: User) -> CrossSigning:
        signing = CrossSigning.new(user)
        own = [device for device in devices if device.user.user_id == user.user_id]
        keys = f"{CLIENT}/keys"
        await client.call("POST", f"{keys}/device_signing/upload", user, signing.body)
        await client.call("POST", f"{keys}/signatures/upload", user, signing.signatures(own))
        return signing

    return await gather_in_order(sign, users)


def check_counts(findings: Findings, answers: list[Answer]) -> None:
    """File uploads after which the device has not as many one-time keys as it should have."""
    counts = [
        orjson.loads(answer.body)["one_time_key_counts"].get(SIGNED_CURVE25519)
        for answer in answers
    ]
    findings.checked += len(counts)
    for wrong in (count for count in counts if count != CLAIMS):
        findings.wrong += 1
        findings.note(f"{wrong} one-time keys after the upload, not {CLAIMS}")


def shown_keys(devices: list[Device], signings: list[CrossSigning]) -> list[str]:
    """Return the identity keys of all devices as others are to see them, with both signatures."""
    shown = []
    for signing in signings:
        user_id = signing.user.user_id
        own = [device for device in devices if device.user.user_id == user_id]
        added = signing.signatures(own)[user_id]
        for device in own:
            both = added[device.user.device_id]["signatures"][user_id]
            both = both | device.keys["signatures"][user_id]
            shown.append(_text({**device.keys, "signatures": {user_id: both}}))
    return shown


def check_query(
    findings: Findings, answer: Answer, expected: list[str], signings: list[CrossSigning]
) -> None:
    """File what is wrong with the keys that were asked for: of devices, and cross-signing."""
    body = orjson.loads(answer.body)
    found = [
        _text({name: value for name, value in keys.items() if name != "unsigned"})
        for own in body["device_keys"].values()
        for keys in own.values()
    ]
    findings.add(check_same_set(expected, found, "device keys"))
    for kind in ("master", "self_signing"):
        wanted = [_text(signing.body[f"{kind}_key"]["keys"]) for signing in signings]
        shown = [_text(key["keys"]) for key in body[f"{kind}_keys"].values()]
        findings.add(check_same_set(wanted, shown, f"{kind} keys"))


def check_claims(findings: Findings, answers: list[Answer], uploads: list[Upload]) -> None:
    """File keys that nobody uploaded, that were given twice, or not at all."""
    uploaded = {
        f"{device.user.user_id} {device.user.device_id} {_text({name: key})}"
        for device, keys in uploads
        for name, key in keys.items()
    }
    claimed = [
        f"{user_id} {device_id} {_text(keys)}"
        for answer in answers
        for user_id, own in orjson.loads(answer.body)["one_time_keys"].items()
        for device_id, keys in own.items()
    ]
    findings.add(check_same_set(uploaded.intersection(claimed), claimed, "claimed keys"))
    absent = len(answers) * len(uploads) - len(claimed)
    if absent > 0:
        findings.missing += absent
        findings.note(f"{absent} devices whose keys were claimed gave none")


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
