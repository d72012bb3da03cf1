"""What operators call of a process (API `operators`): how it is, and what its components offer.

Only processes with such a listener import this, because FastAPI costs time and memory.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastapi import APIRouter
from pydantic import BaseModel, Field

from base.database import Schema
from base.http import OrdinaryRoutes
from base.http.fastapi_routes import fastapi_routes
from deploy.watching.checks import OK
from deploy.watching.observing import Observing
from deploy.watching.readiness import OUTAGES
from internalapi.process import Process
from logs.consumer.loop import Consumer
from logs.log import LogOutage

_ROOT: Final = "/_xylem"
_LAG_TIMEOUT_S: Final = 2.0


class DependencyState(BaseModel):
    """Something that the process needs."""

    name: str
    is_well: bool
    found: str = Field(description="`ok`, or what is wrong.")


class ConsumedPartition(BaseModel):
    """How far a consumer is in a partition that this process owns."""

    partition: int
    position: int = Field(description="The next offset that it processes.")
    lag: int | None = Field(description="Records behind; null while the log cannot be asked.")


class ReadTopic(BaseModel):
    """A topic that this process reads, and how far it is."""

    consumer: str
    topic: str
    partitions: list[ConsumedPartition]


class Disk(BaseModel):
    """The disk under a folder that is written to."""

    folder: str = Field(description="What is in it.")
    path: str
    free_bytes: int
    total_bytes: int


class SchemaVersion(BaseModel):
    """The tables that this process uses."""

    database: str
    version: int


class ProcessState(BaseModel):
    """How this process is."""

    components: list[str]
    version: str
    uptime_s: float = Field(description="Seconds since it was ready.")
    is_ready: bool = Field(description="Whether all that it needs is there.")
    is_stopping: bool
    dependencies: list[DependencyState]
    consumers: list[ReadTopic]
    disks: list[Disk]
    schemas: list[SchemaVersion]


class WatchedProcess(NamedTuple):
    """A process, as far as its operators are told of it."""

    process: Process
    observing: Observing
    folders: Mapping[str, Path]
    schemas: Sequence[Schema]


def operators_routes(
    watched: WatchedProcess, routers: Sequence[APIRouter], *, secret: str
) -> OrdinaryRoutes:
    """Return all that operators call: of the process, and of its components."""
    return fastapi_routes(
        [_process_router(watched), *routers],
        title="Xylem for its operators",
        version="v1",
        root=_ROOT,
        secret=secret,
        outages=OUTAGES,
    )


def _process_router(watched: WatchedProcess) -> APIRouter:
    router = APIRouter(prefix=f"{_ROOT}/v1")

    @router.get("/status")
    async def status() -> ProcessState:
        """Tell how this process is: what it needs, how far it has read, its disks and tables."""
        status = await watched.process.query_status()
        is_ready, found = await watched.observing.query_readiness()
        consumers, disks = await asyncio.gather(
            asyncio.gather(*map(_read_topic, watched.observing.consumers)),
            asyncio.to_thread(_disks, watched.folders),
        )
        return ProcessState(
            components=status.components,
            version=status.version,
            uptime_s=round(status.uptime_s, 1),
            is_ready=is_ready,
            is_stopping=status.is_stopping,
            dependencies=[
                DependencyState(name=name, is_well=text == OK, found=text)
                for name, text in found.items()
            ],
            consumers=consumers,
            disks=disks,
            schemas=[
                SchemaVersion(database=one.name, version=one.version) for one in watched.schemas
            ],
        )

    return router


async def _read_topic(consumer: Consumer[Any]) -> ReadTopic:
    lag: Mapping[int, int] = {}
    with contextlib.suppress(LogOutage, TimeoutError):
        async with asyncio.timeout(_LAG_TIMEOUT_S):
            lag = await consumer.measure_lag()
    return ReadTopic(
        consumer=consumer.name,
        topic=consumer.topic.name,
        partitions=[
            ConsumedPartition(partition=number, position=position, lag=lag.get(number))
            for number, position in sorted(consumer.owned_positions().items())
        ],
    )


def _disks(folders: Mapping[str, Path]) -> list[Disk]:
    found = []
    for name, path in folders.items():
        try:
            disk = os.statvfs(path)
        except OSError:
            # Why it cannot be looked at stands among the dependencies.
            continue
        found.append(
            Disk(
                folder=name,
                path=str(path),
                free_bytes=disk.f_bavail * disk.f_frsize,
                total_bytes=disk.f_blocks * disk.f_frsize,
            )
        )
    return found
