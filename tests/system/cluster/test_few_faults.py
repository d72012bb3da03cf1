"""Replicas that are killed under load: the faults that any cluster meets, without the rare ones.

All faults are in `test_faults.py`, which wants the machine for itself.
"""

import pytest

from tests.system.cluster.conftest import RunningCluster
from tests.system.cluster.fault_story import live_through, require_nothing_wrong
from tests.system.cluster.faults import Fault, killed


@pytest.mark.timeout(150)
@pytest.mark.parametrize("fault", [killed("roomserver"), killed("syncapi")], ids=lambda one: one.id)
async def test_a_replica_that_is_killed_takes_nothing_with_it(
    fault: Fault, running_cluster: RunningCluster
) -> None:
    errors_before = len(running_cluster.errors())

    story = await live_through(fault, running_cluster.cluster, f".{fault.id}")

    require_nothing_wrong(story.findings)
    assert not running_cluster.errors()[errors_before:]
