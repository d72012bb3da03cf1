"""What a phase cost: processor time of server and load generator, memory, disk, latencies."""

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil

Metrics = dict[str, float]


class Used(NamedTuple):
    """What a process tree has used so far."""

    cpu_s: float
    written_bytes: int
    """What it gave the file system to write; a page that changes again before it is written
    counts once."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the ascending values lie.

    Interpolates between neighbours; of no values at all it is 0.
    """
    if not ordered:
        return 0.0
    position = (len(ordered) - 1) * share
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def process_tree(pid: int) -> list[psutil.Process]:
    """Return the process and all its descendants that are alive."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def tree_cpu_s(pid: int) -> float:
    """Return user and system time of a process tree so far, reaped children included."""
    total = 0.0
    for process in process_tree(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def tree_written_bytes(pid: int) -> int:
    """Return what a process tree has given the file system to write; 0 where nobody counts it."""
    total = 0
    for process in process_tree(pid):
        try:
            total += process.io_counters().write_bytes
        except (psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):
            continue
    return total


def tree_used(pid: int) -> Used:
    """Return what a process tree has used so far."""
    return Used(tree_cpu_s(pid), tree_written_bytes(pid))


def tree_rss_mb(pid: int) -> float:
    """Return the resident memory of a process tree in MB (10^6 bytes)."""
    total = 0
    for process in process_tree(pid):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def filesystem_of(path: Path) -> str:
    """Return the type of the file system that holds a path, or `unknown`."""
    place = path.resolve()
    mounts = {
        Path(partition.mountpoint): partition.fstype
        for partition in psutil.disk_partitions(all=True)
    }
    return next((mounts[each] for each in [place, *place.parents] if each in mounts), "unknown")


class Phase:
    """A timed stretch of a scenario: enter it, do the operations, add their latencies.

    Entered several times, it adds up. Garbage collection of the load generator rests
    meanwhile, so that its pauses are not taken for the server's. `finished_at` may be set to
    the moment of the last result when the phase waits longer than that.
    """

    def __init__(self, name: str, server_used: Callable[[], Used]) -> None:
        self.name = name
        self.operations = 0.0
        self.errors = 0
        self.latencies_s: list[float] = []
        self.finished_at: float | None = None
        self.seconds = 0.0
        self.server_cpu_s = 0.0
        self.server_written_bytes = 0
        self.client_cpu_s = 0.0
        self._read_server_used = server_used
        self._wall_s = 0.0

    def __enter__(self) -> Self:
        gc.collect()
        gc.disable()
        self._server_before = self._read_server_used()
        self._client_before = time.process_time()
        self.started_at = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        left_at = time.perf_counter()
        self.client_cpu_s += time.process_time() - self._client_before
        server = self._read_server_used()
        self.server_cpu_s += server.cpu_s - self._server_before.cpu_s
        self.server_written_bytes += server.written_bytes - self._server_before.written_bytes
        self._wall_s += left_at - self.started_at
        self.seconds += (self.finished_at or left_at) - self.started_at
        self.finished_at = None
        gc.enable()

    def metrics(self) -> Metrics:
        """Return the figures of the phase, each with its unit in the name."""
        ordered = sorted(self.latencies_s)
        thousands = self.operations / 1000
        return {
            "operations": self.operations,
            "errors": float(self.errors),
            "seconds": self.seconds,
            "rate_per_s": self.operations / self.seconds if self.seconds else 0.0,
            "p50_ms": percentile(ordered, 0.50) * 1000,
            "p95_ms": percentile(ordered, 0.95) * 1000,
            "p99_ms": percentile(ordered, 0.99) * 1000,
            "written_kb_each": self.server_written_bytes / thousands / 1e6 if thousands else 0.0,
            "cpu_s_per_1000": self.server_cpu_s / thousands if thousands else 0.0,
            "client_cpu_s": self.client_cpu_s,
            "client_cpu_percent": 100 * self.client_cpu_s / self._wall_s if self._wall_s else 0.0,
        }
