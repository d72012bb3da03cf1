"""What a cluster lives through in one fault, under load, and what its people have seen of it."""

from collections.abc import Sequence
from typing import NamedTuple

import aiohttp

from localcluster.cluster import LocalCluster
from tests.system.client import Homeserver
from tests.system.cluster.constant_load import ImpatientHomeserver, Village, impatient_http, settle
from tests.system.cluster.fault_findings import Findings, find, tokens_of
from tests.system.cluster.faults import Course, Fault
from tests.system.server_process import SHARED_SECRET

ANSWERS_BEFORE = 30
ANSWERS_AFTER = 30


class Story(NamedTuple):
    """A fault from the first message before it to the last look at what everybody saw."""

    village: Village
    course: Course
    recovered_s: float
    """When something new in each room had reached everybody, by the monotonic clock."""
    findings: Findings
    repeated: int
    """Attempts that were answered with a request to come back, or not at all."""


async def live_through(fault: Fault, cluster: LocalCluster, suffix: str) -> Story:
    """Let people whose names end in the suffix talk and listen while something goes wrong."""
    async with impatient_http() as http:
        homeserver = ImpatientHomeserver(http, cluster.url, SHARED_SECRET, suffix)
        village = await settle(homeserver)
        async with village.awake():
            await village.load.until_answered(ANSWERS_BEFORE)
            tokens = tokens_of(village)
            course = await fault.occur(cluster, village.probe)
            recovered_s = await village.probe()
            await village.load.until_answered(ANSWERS_AFTER)
        views = [homeserver, *sync_replicas(cluster, http)]
        findings = await find(village, tokens, views)
        return Story(village, course, recovered_s, findings, homeserver.repeated())


def sync_replicas(cluster: LocalCluster, http: aiohttp.ClientSession) -> Sequence[Homeserver]:
    """Return each replica of sync as one that is asked directly."""
    urls = [
        f"http://127.0.0.1:{process.ports.client}"
        for process in cluster.processes.values()
        if process.component == "syncapi"
    ]
    return [Homeserver(http, lambda url=url: url) for url in urls]  # type: ignore[misc]


def require_nothing_wrong(findings: Findings) -> None:
    """Fail with what is wrong, if anything is."""
    assert not findings.lost
    assert not findings.doubled
    assert not findings.reordered
