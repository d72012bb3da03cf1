"""Two hundred users register and log in, 20 at once."""

import orjson

from bench.client import AT_ONCE, CLIENT, PASSWORD, User, open_connections
from bench.http import build_request
from bench.load import Done, Job, closed_loop
from bench.stage import Stage
from bench.verify import check_same_set

ACCOUNTS = 200
SAMPLED = 5


async def run(stage: Stage) -> None:
    """Measure registration and login with the same low hash cost everywhere."""
    names = [f"account{number}" for number in range(stage.sized(ACCOUNTS, least=AT_ONCE))]
    registered = await measure(stage, "register", [registration(name) for name in names])
    logged_in = await measure(stage, "login", [login(each.key) for each in registered])
    await check_accounts(stage, registered, logged_in)


def registration(name: str) -> Job[str]:
    """Return the job that registers an account."""
    auth = {"type": "m.login.dummy"}
    body = orjson.dumps({"username": name, "password": PASSWORD, "auth": auth})
    return Job(name, build_request("POST", f"{CLIENT}/register", body=body))


def login(name: str) -> Job[str]:
    """Return the job that logs an account in."""
    identifier = {"type": "m.id.user", "user": name}
    body = orjson.dumps(
        {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    )
    return Job(name, build_request("POST", f"{CLIENT}/login", body=body))


async def measure(stage: Stage, name: str, jobs: list[Job[str]]) -> list[Done[str]]:
    """Do the jobs as a phase, some at once; return those that were answered 200."""
    waiting = iter(jobs)
    async with open_connections(stage.client.address, AT_ONCE) as connections:
        with stage.phase(name) as phase:
            done = await closed_loop(connections, [waiting] * AT_ONCE)
        stage.close_phase(phase, [each.answer for each in done])
    return [each for each in done if each.answer.ok]


async def check_accounts(
    stage: Stage, registered: list[Done[str]], logged_in: list[Done[str]]
) -> None:
    """File what is wrong with the accounts: names, tokens and whom a token belongs to."""
    findings = stage.outcome.findings
    tokens: list[str] = []
    for key, answer in [*registered, *logged_in]:
        made = orjson.loads(answer.body)
        tokens.append(made["access_token"])
        localpart = made["user_id"].removeprefix("@").partition(":")[0]
        findings.add(check_same_set([key], [localpart], "user ID"))
    findings.add(check_same_set(set(tokens), tokens, "access tokens"))
    for key, answer in logged_in[:: max(1, len(logged_in) // SAMPLED)]:
        made = orjson.loads(answer.body)
        user = User(made["user_id"], made["access_token"], made["device_id"])
        told = await stage.client.call("GET", f"{CLIENT}/account/whoami", user)
        findings.add(check_same_set([user.user_id], [told["user_id"]], f"whoami of {key}"))
