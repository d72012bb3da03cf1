"""What it costs to run components apart: a cluster beside the monolith on the same machine.

All servers run at once and take turns, so that a machine that is busy with other things favours
none of them. Processor time is counted for each component.
"""

import asyncio
import itertools
import statistics
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol

import orjson

from bench.client import (
    Client,
    User,
    gather_in_order,
    message_request,
    open_connections,
    sync_path,
    timeline_filter,
)
from bench.conversation import message_job, open_room
from bench.http import Address, Answer, Connection
from bench.load import closed_loop
from bench.measure import percentile, tree_cpu_s
from bench.report import figure, table
from bench.servers import xylem
from bench.servers.cluster import ClusterServer
from bench.servers.process import ProcessServer

REPLICAS: Final = (1, 2)
LONE_ROOMS: Final = 8
LONE_SENDS: Final = 400
PAUSE_S: Final = 0.02
SENDERS: Final = 20
MESSAGES: Final = 4000
REST_S: Final = 3.0
_PATIENCE_S: Final = 30.0


class Measured(Protocol):
    """A server whose components' processor time can be read."""

    @property
    def name(self) -> str:
        """Return its name in the report."""

    @property
    def address(self) -> Address:
        """Return the loopback address that clients use."""

    @property
    def shared_secret(self) -> str:
        """Return the secret with which accounts are registered."""

    async def start(self) -> float:
        """Start it and return the seconds until it answered."""

    async def stop(self) -> None:
        """Stop it."""

    def cpu_s(self) -> Mapping[str, float]:
        """Return the processor time so far of each component."""


class Monolith:
    """The monolith, all of whose processor time is that of one component."""

    def __init__(self, server: ProcessServer) -> None:
        self._server = server
        self.name = "monolith"
        self.address = server.address
        self.shared_secret = server.shared_secret
        self.start = server.start
        self.stop = server.stop

    def cpu_s(self) -> Mapping[str, float]:
        """Return the processor time so far."""
        return {"monolith": tree_cpu_s(self._server.pid)}


@dataclass(slots=True)
class Figures:
    """What was measured of one server, a value for each round."""

    server: str
    lone_ms: list[float] = field(default_factory=list)
    """Times of sends while nothing else happened."""
    rates_per_s: list[float] = field(default_factory=list)
    loaded_ms: list[float] = field(default_factory=list)
    """Times of sends in the closed loop."""
    cpu_s_per_1000: list[dict[str, float]] = field(default_factory=list)
    at_rest_percent: float = 0.0
    """Share of a core that all processes use while nothing happens."""
    errors: int = 0

    def cpu(self) -> dict[str, float]:
        """Return the median of each component's seconds for a thousand sends."""
        parts = dict.fromkeys(part for each in self.cpu_s_per_1000 for part in each)
        return {
            part: statistics.median(each[part] for each in self.cpu_s_per_1000) for part in parts
        }


class Guests:
    """The load generator's accounts and rooms on one server."""

    def __init__(self, server: Measured) -> None:
        self.server = server
        self.figures = Figures(server.name)
        self._client = Client(server.address, server.shared_secret)
        self._users: list[User] = []
        self._rooms: list[str] = []
        self._numbers = itertools.count(1)
        self._connection = Connection(server.address)

    async def settle(self) -> None:
        """Register users, each with a room that another one is in as well."""
        self._users = await self._client.register_many("sender", SENDERS)
        neighbours = [*self._users[1:], self._users[0]]
        pairs = zip(self._users, neighbours, strict=True)
        self._rooms = await gather_in_order(lambda pair: open_room(self._client, pair), pairs)
        for _ in range(3 * LONE_ROOMS):
            await self.send_one()
        self.figures.lone_ms.clear()

    async def send_one(self) -> None:
        """Send one message while nothing else happens."""
        number = next(self._numbers)
        place = number % LONE_ROOMS
        request = message_request(self._users[place], self._rooms[place], number)
        answer = await self._connection.request(request)
        if answer.ok:
            self.figures.lone_ms.append(answer.seconds * 1000)
        else:
            self.figures.errors += 1

    async def send_many(self, messages: int) -> None:
        """Let everybody send in a closed loop, and wait until all of it is to be seen."""
        jobs = [
            [message_job(user, room_id, next(self._numbers)) for _ in range(messages // SENDERS)]
            for user, room_id in zip(self._users, self._rooms, strict=True)
        ]
        async with open_connections(self.server.address, SENDERS) as connections:
            before, started_at = self.server.cpu_s(), perf_counter()
            done = await closed_loop(connections, jobs)
            seconds = perf_counter() - started_at
            answers = {one.key.room_id: one.answer for one in done if one.answer.ok}
            await gather_in_order(self._until_seen, answers.items())
            after = self.server.cpu_s()
        answered = [one.answer for one in done if one.answer.ok]
        figures = self.figures
        figures.errors += len(done) - len(answered)
        figures.rates_per_s.append(len(answered) / seconds)
        figures.loaded_ms += (answer.seconds * 1000 for answer in answered)
        thousands = len(answered) / 1000
        figures.cpu_s_per_1000.append(
            {part: (after[part] - before[part]) / thousands for part in after}
        )

    async def _until_seen(self, last: tuple[str, Answer]) -> None:
        """Return once sync shows the last message of a room: what comes after is its own cost."""
        room_id, answer = last
        wanted = orjson.loads(answer.body)["event_id"]
        user = self._users[self._rooms.index(room_id)]
        path = sync_path(sync_filter=timeline_filter(1))
        until = perf_counter() + _PATIENCE_S
        while perf_counter() < until:
            body = await self._client.call("GET", path, user)
            events = body["rooms"]["join"][room_id]["timeline"]["events"]
            if events and events[-1]["event_id"] == wanted:
                return
            await asyncio.sleep(0.02)
        self.figures.errors += 1

    async def rest(self) -> None:
        """Measure what the processes use while nobody asks anything."""
        before = sum(self.server.cpu_s().values())
        await asyncio.sleep(REST_S)
        used = sum(self.server.cpu_s().values()) - before
        self.figures.at_rest_percent = 100 * used / REST_S

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()
        self._connection.close()


async def run(scale: float, rounds: int, data_dir: Path | None = None) -> list[Figures]:
    """Measure monolith and clusters, interleaved, and return their figures."""
    async with AsyncExitStack() as stack:
        made = tempfile.TemporaryDirectory("-cluster", "bench-", data_dir)
        servers = _servers(Path(stack.enter_context(made)))
        guests = []
        for server in servers:
            stack.push_async_callback(server.stop)
            print(f"{server.name} started in {await server.start():.1f} s", flush=True)
            guests.append(Guests(server))
            stack.callback(guests[-1].close)
            await guests[-1].settle()
        for number in range(rounds):
            await _measure(guests if number % 2 == 0 else guests[::-1], scale)
            print(f"round {number + 1} of {rounds} is done", flush=True)
        for one in guests:
            await one.rest()
    return [one.figures for one in guests]


def _servers(folder: Path) -> list[Measured]:
    folder.chmod(0o755)
    (folder / "monolith").mkdir()
    clusters = [ClusterServer(folder / f"cluster{count}", count) for count in REPLICAS]
    return [Monolith(xylem.prepare(folder / "monolith")), *clusters]


async def _measure(guests: Sequence[Guests], scale: float) -> None:
    for _ in range(max(20, round(LONE_SENDS * scale))):
        for one in guests:
            await one.send_one()
            # What follows a send, such as its projection, shall slow down nobody else's.
            await asyncio.sleep(PAUSE_S)
    for one in guests:
        await one.send_many(max(SENDERS, round(MESSAGES * scale)))


def tables(figures: Sequence[Figures]) -> str:
    """Return what was measured: times and rates, then processor time by component."""
    first = percentile(sorted(figures[0].lone_ms), 0.5)
    head = ("server", "lone p50 ms", "p95 ms", "p50 ratio", "loaded p50 ms", "p95 ms")
    rows = []
    for one in figures:
        lone, loaded = sorted(one.lone_ms), sorted(one.loaded_ms)
        p50 = percentile(lone, 0.5)
        values = [p50, percentile(lone, 0.95), p50 / first if first else 0.0]
        values += [percentile(loaded, 0.5), percentile(loaded, 0.95)]
        rate = figure(statistics.median(one.rates_per_s))
        rest = figure(one.at_rest_percent)
        rows.append([one.server, *map(figure, values), rate, rest, str(one.errors)])
    times = table((*head, "rate/s", "at rest %", "errors"), rows, left=1)
    return f"{times}\n\n{_cpu_table(figures)}"


def _cpu_table(figures: Sequence[Figures]) -> str:
    costs = [one.cpu() for one in figures]
    parts: Iterable[str] = dict.fromkeys(part for cost in costs for part in cost)
    rows = [
        [part, *("-" if part not in cost else f"{cost[part]:.2f}" for cost in costs)]
        for part in parts
    ]
    rows.append(["all", *(f"{sum(cost.values()):.2f}" for cost in costs)])
    return table(("cpu-s/1000 sends", *(one.server for one in figures)), rows, left=1)


def records(figures: Sequence[Figures]) -> list[dict[str, object]]:
    """Return the figures as they are recorded."""
    return [asdict(one) for one in figures]
