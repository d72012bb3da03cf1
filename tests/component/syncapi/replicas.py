"""Two processes' worth of client sync over one database and one log, and clients of either."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from base.clock import ManualClock
from components.syncapi.assembly import SyncApi, build
from components.syncapi.settings import SyncApiSettings
from logs.embedded import EmbeddedLog
from logs.topics import OUTPUT_ROOM_EVENT, TOPICS
from tests.component.syncapi.story import NOW_MS, Accounts, House, Room, bodies, open_tables

PARTITIONS = 4


class Replica(House):
    """One of the processes; its consumers and its follower can be stopped and started."""

    def __init__(
        self, log: EmbeddedLog, sync: SyncApi, accounts: Accounts, clock: ManualClock
    ) -> None:
        super().__init__(log, sync, accounts, clock)
        self._consuming: list[asyncio.Task[None]] = []
        self._following: list[asyncio.Task[None]] = []

    def start_consumers(self) -> None:
        sync = self.sync_api
        runs = [one.run for one in sync.consumers] + [one.run for one in sync.readers.values()]
        for run in (*runs, sync.serving.run):
            self._consuming.append(asyncio.create_task(run()))

    async def stop_consumers(self) -> None:
        await _stop(self._consuming)

    def start_follower(self) -> None:
        self._following.append(asyncio.create_task(self.sync_api.follower.run()))

    async def stop_follower(self) -> None:
        await _stop(self._following)

    async def follower_end(self) -> BaseExceptionGroup[BaseException]:
        """Return what the follower fails with, once it does."""
        [following] = self._following
        await asyncio.wait([following])
        self._following.clear()
        error = following.exception()
        assert isinstance(error, BaseExceptionGroup)
        return error

    async def stop(self) -> None:
        self.sync_api.end_long_polls()
        await _stop(self._following)
        await _stop(self._consuming)

    async def until_sharing(self, partitions: int) -> None:
        """Return once this replica owns so many partitions of the rooms' topic."""
        async with asyncio.timeout(20):
            while len(self.owned()) != partitions:  # noqa: ASYNC110 (nothing announces it)
                await asyncio.sleep(0.005)

    def owned(self) -> list[int]:
        position = self.sync_api.consumers[0].position
        return [number for number in range(PARTITIONS) if position(number) is not None]

    def own_room(self, name: str = "room") -> Room:
        """Return a new room of a partition that this replica owns."""
        return next(room for room in _rooms(name) if self.partition_of(room) in self.owned())

    def partition_of(self, room: Room) -> int:
        return self.log.partition_of(OUTPUT_ROOM_EVENT.name, room.room_id)

    async def answer(self, token: str, since: str | None = None, **query: Any) -> dict[str, Any]:
        """Return the answer of /sync, whatever is projected."""
        answer = await self.get(token, "sync", since=since, **query)
        assert answer.status == 200, answer
        body: dict[str, Any] = answer.json
        return body


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    tasks.clear()


def _rooms(name: str) -> Iterable[Room]:
    number = 0
    while True:
        number += 1
        yield Room(f"{name}{number}")


class Client:
    """A device that goes to the replicas in turn, with the token that it has."""

    def __init__(self, token: str, *replicas: Replica, **query: Any) -> None:
        self.token = token
        self.since: str | None = None
        self.seen: dict[str, list[str]] = {}
        """By room the bodies of messages, in the order that they came in."""
        self.data: list[str] = []
        self._replicas = replicas
        self._query = query
        self._turn = 0

    async def sync(self, timeout_ms: int = 0) -> dict[str, Any]:
        """Ask the next replica for what is new."""
        replica = self._replicas[self._turn % len(self._replicas)]
        self._turn += 1
        answer = await replica.answer(self.token, self.since, timeout=timeout_ms, **self._query)
        self.since = answer["next_batch"]
        for room_id, part in answer["rooms"].get("join", {}).items():
            assert not (part["timeline"]["limited"] and room_id in self.seen)
            self.seen.setdefault(room_id, []).extend(bodies(part["timeline"]["events"]))
        self.data += [event["type"] for event in answer["account_data"]["events"]]
        return answer

    async def until_seen(self, room: Room, body: str) -> None:
        """Follow the server until a message has come."""
        async with asyncio.timeout(30):
            while body not in self.seen.get(room.room_id, ()):
                await self.sync(timeout_ms=5000)

    def messages(self, room: Room) -> list[str]:
        """Return the bodies of a room that are no types of events."""
        return [body for body in self.seen.get(room.room_id, ()) if not body.startswith("m.")]


@asynccontextmanager
async def two_replicas(
    folder: Path, database_url: str, settings: SyncApiSettings | None = None
) -> AsyncIterator[tuple[Replica, Replica]]:
    """Start two replicas, each owner of half of the partitions and follower of the rest."""
    async with AsyncExitStack() as stack:
        log = await EmbeddedLog.open(folder / "log", dict.fromkeys(TOPICS, PARTITIONS))
        stack.push_async_callback(log.close)
        replicas: list[Replica] = []
        for _ in range(2):
            database, serving = await open_tables(database_url)
            stack.push_async_callback(serving.rebuilds.close)
            stack.push_async_callback(database.close)
            accounts, clock = Accounts(), ManualClock(NOW_MS)
            sync = await build(
                log=log,
                database=database,
                settings=settings or SyncApiSettings(),
                clock=clock,
                authentication=accounts,
                filters=accounts,
                serving=serving,
                aliases=accounts,
                events=accounts,
                reports=accounts,
                user_directory=accounts,
                dehydrated_devices=accounts,
            )
            replica = Replica(log, sync, accounts, clock)
            replicas.append(replica)
            stack.push_async_callback(replica.stop)
            replica.start_follower()
            replica.start_consumers()
        one, other = replicas
        await one.until_sharing(PARTITIONS // 2)
        await other.until_sharing(PARTITIONS // 2)
        yield one, other
