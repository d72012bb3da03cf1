"""Xylem as a cluster on this machine: each component in so many processes, Kafka, PostgreSQL."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from bench.http import Address
from bench.measure import tree_cpu_s
from bench.servers.process import SHARED_SECRET
from bench.servers.xylem import without_hindrances
from deploy.catalogue import CATALOGUE
from localcluster.cluster import LocalCluster

PARTITIONS = 4


class ClusterServer:
    """A cluster with the same number of replicas of each component."""

    def __init__(self, folder: Path, replicas: int) -> None:
        """Prepare it in a folder that is not there yet; nothing is started."""
        folder.mkdir(parents=True)
        # PostgreSQL, which does not run as root, has to be able to enter it.
        folder.chmod(0o755)
        self._cluster = LocalCluster(
            folder,
            dict.fromkeys(CATALOGUE.names, replicas),
            without_hindrances(),
            partitions=PARTITIONS,
        )
        self.name = f"cluster, {replicas} of each"
        self.shared_secret = SHARED_SECRET

    @property
    def address(self) -> Address:
        """Return where its proxy listens."""
        return ("127.0.0.1", self._cluster.port)

    async def start(self) -> float:
        """Start everything and return the seconds until it took requests."""
        started_at = perf_counter()
        await asyncio.to_thread(self._cluster.start)
        return perf_counter() - started_at

    async def stop(self) -> None:
        """Stop everything."""
        await asyncio.to_thread(self._cluster.stop)

    def cpu_s(self) -> Mapping[str, float]:
        """Return the processor time so far of each component, all its replicas together."""
        seconds: dict[str, float] = {}
        for program in self._cluster.programs():
            process = self._cluster.processes.get(program.name)
            part = program.name if process is None else process.component
            if program.pid is not None:
                seconds[part] = seconds.get(part, 0.0) + tree_cpu_s(program.pid)
        return seconds
