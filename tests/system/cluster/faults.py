"""What goes wrong in a cluster: processes die or stand still, Kafka or PostgreSQL is away."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from deploy.local.cluster import LocalCluster
from deploy.local.programs import Program, ProgramFailed, is_listening

SESSION_TIMEOUT_S: Final = 3.0
"""After which Kafka gives the partitions of a silent process to others, in these tests."""
DOWN_S: Final = 5.0
_STANDSTILL_S: Final = 2.5 * SESSION_TIMEOUT_S
_START_TIMEOUT_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.05

Occur = Callable[[LocalCluster], Awaitable[float]]


class Fault(NamedTuple):
    """Something that goes wrong, and is over when `occur` returns the time at which it was."""

    name: str
    occur: Occur


def killed(component: str) -> Fault:
    """Return the crash of one replica, which is started again a little later."""

    async def occur(cluster: LocalCluster) -> float:
        process = cluster.processes[f"{component}-1"]
        process.program.kill()
        await asyncio.sleep(DOWN_S)
        returned_s = time.monotonic()
        process.program.start()
        await _listening(process.program, process.ports.internal)
        return returned_s

    return Fault(f"{component} killed", occur)


def halted(component: str) -> Fault:
    """Return the standstill of one replica for longer than its session lasts."""

    async def occur(cluster: LocalCluster) -> float:
        program = cluster.processes[f"{component}-1"].program
        program.send_signal(signal.SIGSTOP)
        await asyncio.sleep(_STANDSTILL_S)
        program.send_signal(signal.SIGCONT)
        return time.monotonic()

    return Fault(f"{component} halted", occur)


async def _broker_killed(cluster: LocalCluster) -> float:
    return await _restarted(cluster.kafka.program, signal.SIGKILL, cluster.kafka.address)


async def _broker_stopped(cluster: LocalCluster) -> float:
    return await _restarted(cluster.kafka.program, signal.SIGTERM, cluster.kafka.address)


async def _database_stopped(cluster: LocalCluster) -> float:
    # What `pg_ctl stop -m immediate` sends.
    return await _restarted(cluster.postgres.program, signal.SIGQUIT, cluster.postgres.address)


async def _restarted(program: Program, number: signal.Signals, address: str) -> float:
    """End a program with a signal, start it over its data; return when it took connections."""
    program.send_signal(number)
    async with asyncio.timeout(_START_TIMEOUT_S):
        while program.exit_code is None:  # noqa: ASYNC110 (it ends outside of this process)
            await asyncio.sleep(_LOOK_AGAIN_S)
    program.start()
    await _listening(program, int(address.rpartition(":")[2]))
    return time.monotonic()


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
    Fault("Kafka killed", _broker_killed),
    Fault("Kafka stopped", _broker_stopped),
    Fault("PostgreSQL stopped at once", _database_stopped),
)
