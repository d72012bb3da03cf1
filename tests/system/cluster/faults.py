"""What goes wrong in a cluster: processes die or stand still, Kafka or PostgreSQL is away."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import asyncpg
import psutil

from localcluster.cluster import LocalCluster
from localcluster.programs import Program, ProgramFailed, is_listening

SESSION_TIMEOUT_S: Final = 3.0
"""After which Kafka gives the partitions of a silent process to others, in these tests."""
DOWN_S: Final = 5.0
_STANDSTILL_S: Final = 2.5 * SESSION_TIMEOUT_S
_TRIES: Final = 200
_UNTIL_STILL_S: Final = 0.05
_START_TIMEOUT_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.05


class Course(NamedTuple):
    """When a fault began, when others had taken over and when it was over (monotonic clock)."""

    began_s: float
    taken_over_s: float | None
    """`None` where there is nobody to take over."""
    over_s: float


Probe = Callable[[], Awaitable[float]]
"""Says something in each room, and returns the time at which everybody has heard it."""


class Fault(NamedTuple):
    """Something that goes wrong, and is over when `occur` returns."""

    name: str
    occur: Callable[[LocalCluster, Probe], Awaitable[Course]]

    @property
    def id(self) -> str:
        """The name as that of a test."""
        return self.name.replace(" ", "-")


def killed(component: str) -> Fault:
    """Return the crash of one replica, which is started again a little later."""

    async def occur(cluster: LocalCluster, probe: Probe) -> Course:
        process = cluster.processes[f"{component}-1"]
        began_s = time.monotonic()
        process.program.kill()
        taken_over_s, _ = await asyncio.gather(probe(), asyncio.sleep(DOWN_S))
        over_s = time.monotonic()
        process.program.start()
        await _listening(process.program, process.ports.internal)
        return Course(began_s, taken_over_s, over_s)

    return Fault(f"{component} killed", occur)


def halted(component: str) -> Fault:
    """Return the standstill of one replica for longer than its session lasts."""

    async def occur(cluster: LocalCluster, probe: Probe) -> Course:
        program = cluster.processes[f"{component}-1"].program
        try:
            program.send_signal(signal.SIGSTOP)
            return await _until_taken_over(probe)
        finally:
            program.send_signal(signal.SIGCONT)

    return Fault(f"{component} halted", occur)


def halted_in_a_transaction(component: str) -> Fault:
    """Return the standstill of one replica which holds locks in the database meanwhile."""

    async def occur(cluster: LocalCluster, probe: Probe) -> Course:
        program = cluster.processes[f"{component}-1"].program
        database = await asyncpg.connect(f"postgresql://{cluster.postgres.address}/postgres")
        try:
            for _ in range(_TRIES):
                program.send_signal(signal.SIGSTOP)
                await asyncio.sleep(_UNTIL_STILL_S)
                if await _has_written(database, program):
                    break
                program.send_signal(signal.SIGCONT)
                await asyncio.sleep(random.uniform(0, _UNTIL_STILL_S))
            else:
                raise AssertionError("The process was never seen in a transaction.")
            return await _until_taken_over(probe)
        finally:
            program.send_signal(signal.SIGCONT)
            await database.close()

    return Fault(f"{component} halted in a transaction", occur)


async def _until_taken_over(probe: Probe) -> Course:
    """Wait until the session of a program that stands still is over and others do its work."""
    began_s = time.monotonic()
    taken_over_s, _ = await asyncio.gather(probe(), asyncio.sleep(_STANDSTILL_S))
    return Course(began_s, taken_over_s, time.monotonic())


async def _has_written(database: "asyncpg.Connection[asyncpg.Record]", program: Program) -> bool:
    """Tell whether a process that stands still has written what it has not committed."""
    ports = [one.laddr.port for one in psutil.Process(program.pid).net_connections("tcp")]
    waiting = await database.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE client_port = ANY($1::int[])"
        " AND state = 'idle in transaction' AND backend_xid IS NOT NULL",
        ports,
    )
    return bool(waiting)


async def _broker_killed(cluster: LocalCluster, probe: Probe) -> Course:
    del probe
    return await _restarted(cluster.kafka.program, signal.SIGKILL, cluster.kafka.address)


async def _broker_stopped(cluster: LocalCluster, probe: Probe) -> Course:
    del probe
    return await _restarted(cluster.kafka.program, signal.SIGTERM, cluster.kafka.address)


async def _database_stopped(cluster: LocalCluster, probe: Probe) -> Course:
    del probe
    # What `pg_ctl stop -m immediate` sends.
    return await _restarted(cluster.postgres.program, signal.SIGQUIT, cluster.postgres.address)


async def _restarted(program: Program, number: signal.Signals, address: str) -> Course:
    """End a program with a signal and start it over its data, until it takes connections."""
    began_s = time.monotonic()
    program.send_signal(number)
    async with asyncio.timeout(_START_TIMEOUT_S):
        while program.exit_code is None:  # noqa: ASYNC110 (it ends outside of this process)
            await asyncio.sleep(_LOOK_AGAIN_S)
    program.start()
    await _listening(program, int(address.rpartition(":")[2]))
    return Course(began_s, None, time.monotonic())


async def _listening(program: Program, port: int) -> None:
    """Return once the program listens; raises `ProgramFailed` if it ends before."""
    async with asyncio.timeout(_START_TIMEOUT_S):
        while not is_listening(port):
            if program.exit_code is not None:
                shown = program.output.read_text(errors="replace")[-4000:]
                raise ProgramFailed(f"{program.name} did not start:\n{shown}")
            await asyncio.sleep(_LOOK_AGAIN_S)


COMPONENTS: Final = ("clientapi", "roomserver", "syncapi", "userapi")
FAULTS: Final = (
    *(killed(component) for component in COMPONENTS),
    *(halted(component) for component in COMPONENTS),
    halted_in_a_transaction("roomserver"),
    Fault("Kafka killed", _broker_killed),
    Fault("Kafka stopped", _broker_stopped),
    Fault("PostgreSQL stopped at once", _database_stopped),
)
