"""A cluster under constant load loses, doubles and reorders nothing, whatever part of it fails."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from deploy.configuration import load_settings
from deploy.local.cluster import LocalCluster
from deploy.local.programs import ProgramMissing
from logs.kafka.log import KafkaLog
from logs.topics import REJECTED, TOPICS
from tests.fixtures.servers import missing
from tests.system.client import Homeserver
from tests.system.cluster import fault_report
from tests.system.cluster.conftest import REPLICAS, SETTINGS
from tests.system.cluster.constant_load import ImpatientHomeserver, Village, impatient_http, settle
from tests.system.cluster.fault_findings import Findings, find, tokens_of
from tests.system.cluster.faults import FAULTS, SESSION_TIMEOUT_S, Fault
from tests.system.server_process import SHARED_SECRET

pytestmark = pytest.mark.faults

ANSWERS_BEFORE: Final = 30
ANSWERS_AFTER: Final = 30
LINES_AT_MOST: Final = 400
QUICK_TO_NOTICE: Final = {
    "log": {"kafka": {"session_timeout_s": SESSION_TIMEOUT_S}},
    "internal": {"attempt_timeout_s": 1.0},
}


class FaultyCluster:
    """The cluster that all faults befall, and what has become of it."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.villages: list[Village] = []
        self.rows: list[fault_report.Row] = []
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

    def sync_replicas(self, http: aiohttp.ClientSession) -> list[Homeserver]:
        """Return each replica of sync as one that is asked directly."""
        urls = [
            f"http://127.0.0.1:{process.ports.client}"
            for process in self.cluster.processes.values()
            if process.component == "syncapi"
        ]
        return [Homeserver(http, lambda url=url: url) for url in urls]  # type: ignore[misc]

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
            cluster = LocalCluster(folder, REPLICAS | {"syncapi": 2}, SETTINGS | QUICK_TO_NOTICE)
        except ProgramMissing as absent:
            missing(absent.message)
        faulty = FaultyCluster(cluster)
        try:
            cluster.start()
            yield faulty
        finally:
            cluster.stop()
            fault_report.write(faulty.rows)
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_a_cluster_loses_doubles_and_reorders_nothing(
    fault: Fault, faulty: FaultyCluster
) -> None:
    faulty.new_complaints()
    async with impatient_http() as http:
        homeserver = ImpatientHomeserver(
            http, faulty.cluster.url, SHARED_SECRET, f".{len(faulty.villages)}"
        )
        village = await settle(homeserver)
        faulty.villages.append(village)
        async with village.awake():
            await village.load.until_answered(ANSWERS_BEFORE)
            tokens = tokens_of(village)
            course = await fault.occur(faulty.cluster, village.probe)
            recovered_s = await village.probe()
            await village.load.until_answered(ANSWERS_AFTER)
        homeservers = [homeserver, *faulty.sync_replicas(http)]
        findings = await find(village, tokens, homeservers)
    complaints = faulty.new_complaints()
    row = fault_report.Row(
        fault=fault.name,
        silence_s=village.longest_silence_s(course.began_s),
        takeover_s=None if course.taken_over_s is None else course.taken_over_s - course.began_s,
        recovery_s=recovered_s - course.over_s,
        answered=len(village.sent),
        repeated=homeserver.repeated(),
        lost=len(findings.lost),
        doubled=len(findings.doubled),
        reordered=len(findings.reordered),
        rejected=await faulty.count_rejected(),
        log_lines=len(complaints),
    )
    faulty.rows.append(row)
    require_nothing_wrong(findings)
    assert row.rejected == 0
    assert len(complaints) < LINES_AT_MOST
    assert not [line for line in complaints if is_bug(line)]


def require_nothing_wrong(findings: Findings) -> None:
    """Fail with what is wrong, if anything is."""
    assert not findings.lost
    assert not findings.doubled
    assert not findings.reordered


def is_bug(line: dict[str, Any]) -> bool:
    """Whether a log line tells of what no outage may cause."""
    return line.get("level") in {"error", "critical"} or "Traceback" in line["message"]


@pytest.mark.timeout(150)
async def test_everything_is_still_there_in_the_end(faulty: FaultyCluster) -> None:
    async with impatient_http() as http:
        for village in faulty.villages:
            for member in village.members:
                member.homeserver.http = http
            village.homeserver.http = http
            homeservers = [village.homeserver, *faulty.sync_replicas(http)]
            require_nothing_wrong(await find(village, [], homeservers))
