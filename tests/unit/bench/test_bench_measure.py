import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.measure import (
    Phase,
    Used,
    filesystem_of,
    percentile,
    process_tree,
    tree_cpu_s,
    tree_rss_mb,
    tree_written_bytes,
)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.95, 4.8), (1.0, 5.0), (0.25, 2.0)]
)
def test_a_percentile_lies_between_its_neighbours(share: float, expected: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], share) == pytest.approx(expected)


def test_a_percentile_of_nothing_is_zero_and_of_one_value_that_value() -> None:
    assert percentile([], 0.5) == 0.0
    assert percentile([7.0], 0.99) == 7.0


def test_a_phase_reports_what_its_operations_cost() -> None:
    readings = iter([Used(10.0, 1_000_000), Used(13.0, 6_000_000)])
    phase = Phase("send", lambda: next(readings))

    with phase:
        phase.finished_at = phase.started_at + 2.0
    phase.operations = 500
    phase.latencies_s = [0.010, 0.020, 0.030]
    metrics = phase.metrics()

    assert metrics["rate_per_s"] == pytest.approx(250.0)
    assert metrics["cpu_s_per_1000"] == pytest.approx(6.0)
    assert metrics["written_kb_each"] == pytest.approx(10.0)
    assert metrics["p50_ms"] == pytest.approx(20.0)


def test_a_phase_that_is_entered_again_adds_up() -> None:
    readings = iter([Used(10.0, 0), Used(13.0, 5), Used(20.0, 9), Used(21.0, 10)])
    phase = Phase("sync", lambda: next(readings))

    for seconds in (2.0, 3.0):
        with phase:
            phase.finished_at = phase.started_at + seconds

    assert phase.server_cpu_s == pytest.approx(4.0)
    assert phase.server_written_bytes == 6
    assert phase.seconds == pytest.approx(5.0)


def test_garbage_is_collected_again_after_a_phase_that_failed() -> None:
    collecting: list[bool] = []

    def fail() -> None:
        with Phase("broken", lambda: Used(0.0, 0)):
            collecting.append(gc.isenabled())
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    assert collecting == [False]
    assert gc.isenabled()


def test_a_process_tree_holds_the_children_and_what_they_used() -> None:
    code = "print('up', flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        tree = [process.pid for process in process_tree(os.getpid())]
        rss_mb = tree_rss_mb(child.pid)
        cpu_s = tree_cpu_s(os.getpid())
        child.communicate(b"\n")

    assert {os.getpid(), child.pid} <= set(tree)
    assert rss_mb > 1
    assert cpu_s > 0


def test_a_process_that_is_gone_has_no_tree() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    assert process_tree(child.pid) == []
    assert tree_rss_mb(child.pid) == 0
    assert tree_written_bytes(child.pid) == 0


def test_a_path_lies_on_the_file_system_mounted_nearest_above_it() -> None:
    assert filesystem_of(Path("/proc/self")) == "proc"
