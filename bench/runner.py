"""Runs scenarios, each on a server started for it alone with an empty data directory."""

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from bench.client import Client
from bench.measure import Metrics
from bench.scenarios import SCENARIOS
from bench.servers import SERVERS
from bench.stage import ERRORS_SHOWN, Outcome, Stage


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run."""

    servers: Sequence[str]
    scenarios: Sequence[str]
    scale: float
    rounds: int
    data_dir: Path | None = None


async def run_plan(plan: Plan) -> list[Outcome]:
    """Run all scenarios on all servers, interleaved, and print each as it ends.

    Every other round the servers take turns in the opposite order, so that a machine that
    gets slower or faster meanwhile favours neither.
    """
    outcomes: list[Outcome] = []
    for number in range(plan.rounds):
        servers = plan.servers if number % 2 == 0 else plan.servers[::-1]
        for scenario in plan.scenarios:
            for server in servers:
                started_at = perf_counter()
                outcome = await run_scenario(server, scenario, plan.scale, plan.data_dir)
                outcomes.append(outcome)
                state = outcome.failure or ("ok" if outcome.clean else "NOT CLEAN")
                print(
                    f"round {number + 1}/{plan.rounds} {scenario} on {server}: {state} "
                    f"({perf_counter() - started_at:.0f} s with set-up and checks)",
                    flush=True,
                )
    return outcomes


async def run_scenario(
    server_name: str, scenario: str, scale: float, data_dir: Path | None
) -> Outcome:
    """Run one scenario on a fresh server; what goes wrong becomes the outcome's failure."""
    outcome = Outcome(server_name, scenario)
    with tempfile.TemporaryDirectory(prefix=f"bench-{server_name}-", dir=data_dir) as directory:
        server = SERVERS[server_name](Path(directory))
        client = Client(server.address, server.shared_secret)
        try:
            outcome.start_s = await server.start()
            await SCENARIOS[scenario](Stage(server, client, scale, outcome))
        except Exception as error:  # noqa: BLE001 (the other scenarios shall run all the same)
            outcome.failure = describe(error)
        finally:
            client.close()
            await asyncio.shield(server.stop())
    return outcome


def describe(error: Exception) -> str:
    """Return an error's type and text, of a group those of its first member."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def medians(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return one outcome for each server and scenario: medians of figures, sums of faults."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.scenario, outcome.server), []).append(outcome)
    return [_median(group) for group in groups.values()]


def _median(group: Sequence[Outcome]) -> Outcome:
    merged = Outcome(group[0].server, group[0].scenario)
    whole = [each for each in group if each.failure is None]
    for name in dict.fromkeys(name for each in whole for name in each.phases):
        rounds = [each.phases[name] for each in whole if name in each.phases]
        merged.phases[name] = _median_metrics(rounds)
    if whole:
        merged.start_s = statistics.median(each.start_s for each in whole)
        merged.rss_mb = statistics.median(each.rss_mb for each in whole)
    for each in group:
        merged.findings.add(each.findings)
        merged.errors += each.errors
        merged.error_examples += each.error_examples
        merged.failure = merged.failure or each.failure
    del merged.error_examples[ERRORS_SHOWN:]
    return merged


def _median_metrics(rounds: Sequence[Metrics]) -> Metrics:
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
