"""The load itself: closed loops of ready requests, and members who long-poll meanwhile."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self, TypeVar

from bench.client import User, sync_path, token_in
from bench.http import Address, Answer, Connection, build_request

POLL_TIMEOUT_S: Final = 30.0
NUMBER_MARK: Final = b'"bench_n"'
"""Stands once in every message that the load generator sent."""

_ERRORS_BEFORE_GIVING_UP: Final = 10
_PAUSE_AFTER_ERROR_S: Final = 0.2

Key = TypeVar("Key")


class Job(NamedTuple, Generic[Key]):
    """A ready request and what its answer is to be filed under."""

    key: Key
    request: bytes


class Done(NamedTuple, Generic[Key]):
    """A job's key and its answer."""

    key: Key
    answer: Answer


async def closed_loop(
    connections: Sequence[Connection], jobs: Sequence[Iterable[Job[Key]]]
) -> list[Done[Key]]:
    """Let each connection do its jobs one after another, all connections at once.

    Passing one iterator several times shares its jobs out. No job is done twice.
    """
    done: list[Done[Key]] = []

    async def work(connection: Connection, own: Iterable[Job[Key]]) -> None:
        for job in own:
            done.append(Done(job.key, await connection.request(job.request)))  # noqa: PERF401

    async with asyncio.TaskGroup() as group:
        for connection, own in zip(connections, jobs, strict=True):
            group.create_task(work(connection, own))
    return done


class Arrival(NamedTuple):
    """One sync answer that a poller got, unparsed, and when."""

    at: float
    body: bytes


class Poller:
    """One member who long-polls from a token on and keeps every answer as bytes."""

    def __init__(self, connection: Connection, user: User, since: str, filter_id: str) -> None:
        self.user = user
        self.since = since
        self.arrivals: list[Arrival] = []
        self.failures: list[Answer] = []
        self.answers = 0
        self.marks = 0
        self._connection = connection
        self._filter_id = filter_id

    async def run(self) -> None:
        """Poll until cancelled, or until too many polls have failed."""
        timeout_ms = int(POLL_TIMEOUT_S * 1000)
        while len(self.failures) < _ERRORS_BEFORE_GIVING_UP:
            path = sync_path(since=self.since, timeout_ms=timeout_ms, sync_filter=self._filter_id)
            request = build_request("GET", path, token=self.user.token)
            answer = await self._connection.request(request, timeout_s=2 * POLL_TIMEOUT_S)
            self.answers += 1
            since = token_in(answer.body, b"next_batch") if answer.ok else None
            if since is None:
                self.failures.append(answer)
                await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
                continue
            self.since = since
            marks = self.count(answer.body)
            self.marks += marks
            if marks:
                self.arrivals.append(Arrival(answer.finished_at, answer.body))

    def count(self, body: bytes) -> int:
        """Return how many of the things that are waited for an answer holds."""
        return body.count(NUMBER_MARK)


class Audience(AbstractAsyncContextManager["Audience"]):
    """Members who long-poll while the block runs."""

    def __init__(
        self,
        address: Address,
        tokens: Sequence[tuple[User, str]],
        filters: Sequence[str],
        poller: type[Poller] = Poller,
    ) -> None:
        """Take each member with the token to poll from, and each one's stored filter."""
        self.connections = [Connection(address) for _ in tokens]
        self.pollers = [
            poller(connection, user, since, filter_id)
            for connection, (user, since), filter_id in zip(
                self.connections, tokens, filters, strict=True
            )
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for connection in self.connections:
            await connection.open()
        self._tasks = [asyncio.create_task(poller.run()) for poller in self.pollers]
        # The first polls have to be waiting at the server before the first message is sent.
        await asyncio.sleep(0.5)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self.connections:
            connection.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    @property
    def failures(self) -> list[Answer]:
        """Return the polls that were not answered 200 with a token."""
        return [failure for poller in self.pollers for failure in poller.failures]

    async def received(self, messages: int, *, patience_s: float = 10.0) -> None:
        """Wait until every member has this many messages, or nothing has come for a while."""
        seen = -1
        last_news = perf_counter()
        while any(poller.marks < messages for poller in self.pollers):
            total = sum(poller.marks for poller in self.pollers)
            if total != seen:
                seen, last_news = total, perf_counter()
            elif perf_counter() - last_news > patience_s:
                return
            await asyncio.sleep(0.01)

    def last_arrival_at(self) -> float:
        """Return when the last message came to anybody, or 0 when none did."""
        return max(
            (poller.arrivals[-1].at for poller in self.pollers if poller.arrivals), default=0.0
        )
