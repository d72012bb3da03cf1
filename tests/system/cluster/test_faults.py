"""A cluster under constant load loses, doubles and reorders nothing, whatever part of it fails."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest

from deploy.settings.loading import load_settings
from localcluster.cluster import Balancer, LocalCluster
from localcluster.programs import ProgramMissing
from logs.kafka.log import KafkaLog
from logs.topics import REJECTED, TOPICS
from tests.fixtures.servers import missing
from tests.system.cluster import fault_report
from tests.system.cluster.conftest import REPLICAS, SETTINGS
from tests.system.cluster.constant_load import Village, impatient_http
from tests.system.cluster.fault_findings import find
from tests.system.cluster.fault_story import (
    Story,
    live_through,
    require_nothing_wrong,
    sync_replicas,
)
from tests.system.cluster.faults import FAULTS, SESSION_TIMEOUT_S, Fault

pytestmark = pytest.mark.faults

LINES_AT_MOST: Final = 400
WHOLE_S: Final = 570
"""After which no further fault is begun: the whole is to take twelve minutes at most."""
QUICK_TO_NOTICE: Final = {
    "log": {"kafka": {"session_timeout_s": SESSION_TIMEOUT_S}},
    "internal": {"attempt_timeout_s": 1.0},
}


class FaultyCluster:
    """The cluster that all faults befall, and what has become of it."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.villages: list[Village] = []
        self.report = fault_report.Report(cluster.balancer, REPLICAS)
        self.began_s = time.monotonic()
        self._read_up_to: dict[str, int] = {}

    def new_complaints(self) -> list[dict[str, Any]]:
        """Return the warnings and errors of all components since this was asked last."""
        lines = []
        for process in self.cluster.processes.values():
            name = process.program.name
            with process.program.output.open("rb") as output:
                output.seek(self._read_up_to.get(name, 0))
                texts = output.read().decode(errors="replace").splitlines()
                self._read_up_to[name] = output.tell()
            for text in texts:
                line = json.loads(text) if text.startswith("{") else {"message": text}
                if line.get("level") != "info":
                    lines.append({"process": name} | line)
        return lines

    async def count_rejected(self) -> int:
        """Return how many records were ever put aside."""
        kafka = load_settings(self.cluster.config_path, {}).log.kafka
        assert kafka is not None
        log = await KafkaLog.connect(kafka)
        try:
            await log.ensure_topics(TOPICS.values())
            bounds = await log.bounds(REJECTED.name)
        finally:
            await log.close()
        return sum(end for _, end in bounds.values())


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyCluster]:
    """A cluster of its own: no other test needs to bear the faults."""
    # PostgreSQL could not enter pytest's folder.
    kept = os.environ.get("XYLEM_FAULTS_FOLDER")
    folder = Path(kept or tempfile.mkdtemp(prefix="xylem-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    try:
        try:
            balancer = cast(Balancer | None, os.environ.get("XYLEM_FAULTS_BALANCER") or None)
            cluster = LocalCluster(folder, REPLICAS, SETTINGS | QUICK_TO_NOTICE, balancer=balancer)
        except ProgramMissing as absent:
            missing(str(absent))
        faulty = FaultyCluster(cluster)
        try:
            cluster.start()
            yield faulty
        finally:
            cluster.stop()
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
async def test_a_cluster_loses_doubles_and_reorders_nothing(
    fault: Fault, faulty: FaultyCluster
) -> None:
    assert time.monotonic() < faulty.began_s + WHOLE_S, "The faults before took too long."
    faulty.new_complaints()
    faulty.report.begin(fault.name)
    story = await live_through(fault, faulty.cluster, f".{len(faulty.villages)}")
    faulty.villages.append(story.village)
    complaints = faulty.new_complaints()
    row = row_of(fault, story, rejected=await faulty.count_rejected(), log_lines=len(complaints))
    bugs = [line for line in complaints if is_bug(line)]
    is_well = row.is_well and not bugs and len(complaints) < LINES_AT_MOST
    faulty.report.end(row._replace(verdict="ok" if is_well else "FAILED"))

    require_nothing_wrong(story.findings)
    assert row.rejected == 0
    assert len(complaints) < LINES_AT_MOST
    assert not bugs


def row_of(fault: Fault, story: Story, *, rejected: int, log_lines: int) -> fault_report.Row:
    """Return what the report says of a fault."""
    began_s, taken_over_s, over_s = story.course
    return fault_report.Row(
        fault=fault.name,
        verdict="",
        silence_s=story.village.longest_silence_s(began_s),
        takeover_s=None if taken_over_s is None else taken_over_s - began_s,
        recovery_s=story.recovered_s - over_s,
        answered=len(story.village.sent),
        repeated=story.repeated,
        lost=len(story.findings.lost),
        doubled=len(story.findings.doubled),
        reordered=len(story.findings.reordered),
        rejected=rejected,
        log_lines=log_lines,
    )


def is_bug(line: dict[str, Any]) -> bool:
    """Whether a log line tells of what no outage may cause."""
    return line.get("level") in {"error", "critical"} or "Traceback" in line["message"]


@pytest.mark.timeout(120)
async def test_everything_is_still_there_in_the_end(faulty: FaultyCluster) -> None:
    async with impatient_http() as http:
        for village in faulty.villages:
            for member in village.members:
                member.homeserver.http = http
            village.homeserver.http = http
            views = [village.homeserver, *sync_replicas(faulty.cluster, http)]
            require_nothing_wrong(await find(village, [], views))
