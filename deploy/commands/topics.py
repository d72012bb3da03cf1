"""`xylem topics`: creates the topics on Kafka, and checks those that are there."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from base.tasks import run as run_event_loop
from deploy.commands.topic_checks import Misfit, misfits
from deploy.errors import StartRefused
from deploy.process import starting
from deploy.settings import Settings
from deploy.settings.loading import load_settings
from deploy.watching.log_lines import hush
from deploy.watching.readiness import Readiness
from logs.kafka.settings import KafkaLogSettings
from logs.kafka.topics import TopicState, describe_topics
from logs.topics import TOPICS

MISFIT: Final = 3
"""The exit code where a topic is missing or does not fit."""
_MS_PER_HOUR: Final = 3_600_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Without --check and --create, both are done. Exit codes: 0 all topics fit, 1 it could "
        f"not be done, {MISFIT} a topic is missing or does not fit."
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only check, and change nothing")
    what.add_argument("--create", action="store_true", help="only create what is missing")


def run(arguments: argparse.Namespace) -> int:
    """Create and check; existing topics are never changed."""
    hush()
    settings = load_settings(arguments.config, os.environ)
    kafka = settings.log.kafka
    if kafka is None:
        raise StartRefused(
            "The log is embedded: its topics are made by the server itself.",
            "For Kafka, set log.kafka.bootstrap_servers.",
        )
    states = run_event_loop(_states(settings, kafka, creates=not arguments.check))
    for name, state in states.items():
        print(f"{name}: {_described(state)}")
    if arguments.create:
        return 0
    retentions = settings.log.retentions
    found = [
        misfit
        for name, topic in TOPICS.items()
        for misfit in misfits(topic, states[name], kafka, retentions.of(topic))
    ]
    for misfit in found:
        _complain(misfit)
    return MISFIT if found else 0


async def _states(
    settings: Settings, kafka: KafkaLogSettings, *, creates: bool
) -> Mapping[str, TopicState | None]:
    readiness = Readiness(is_patient=False)
    if creates:
        async with starting.log_beside(settings, readiness):
            pass  # opening it makes the topics that are missing
    found = await readiness.wait_for("The log", lambda: describe_topics(kafka, TOPICS))
    return {name: found.get(name) for name in TOPICS}


def _described(state: TopicState | None) -> str:
    if state is None:
        return "missing"
    hours = state.retention_ms / _MS_PER_HOUR
    kept = "for ever" if state.retention_ms < 0 else f"for {hours:g} h"
    return (
        f"{state.partitions} partitions, {state.replicas} copies of each, "
        f"{state.in_sync_replicas} in sync; records are kept {kept}"
    )


def _complain(misfit: Misfit) -> None:
    sys.stderr.write(f"{misfit.topic} {misfit.message}\n  {misfit.advice}\n")
