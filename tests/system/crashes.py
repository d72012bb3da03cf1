"""A server that is killed at random instants, and clients that keep it busy meanwhile."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from tests.system.client import V3, Client, Refused, room_path, send_path
from tests.system.server_process import ServerProcess

_START_UP_S: Final = 1.5
_RASH: Final = "I take it back"
_PAUSE: Final = 5
"""After how many answers to the senders the others go on: most of the load is messages."""


class CrashingServer:
    """Kills a server with SIGKILL and starts it again; tells clients when it is back."""

    def __init__(self, process: ServerProcess, random_source: random.Random) -> None:
        self.process = process
        self.kills = 0
        self._random = random_source
        self._is_up = asyncio.Event()
        self._is_up.set()
        self._start_up_s = _START_UP_S

    def url(self) -> str:
        """Return where the server listens now; it takes another port with each start."""
        return self.process.url

    async def until_up(self) -> None:
        """Return once the server listens."""
        await self._is_up.wait()

    async def crash(self, within_s: float) -> None:
        """Kill the server at a random instant within this time."""
        await asyncio.sleep(self._random.uniform(0, within_s))
        self._is_up.clear()
        self.kills += 1
        await asyncio.to_thread(self.process.kill)

    async def start(self) -> None:
        """Start the server and let the clients at it."""
        started = time.monotonic()
        self.process.launch()
        await asyncio.to_thread(self.process.wait_until_listening)
        self._start_up_s = time.monotonic() - started
        self._is_up.set()

    async def crash_while_starting(self) -> None:
        """Start the server and kill it in one of the stages of its start; it stays down."""
        self.process.launch()
        await self.crash(self._start_up_s)


class Sent(NamedTuple):
    """A message that was answered, perhaps after several attempts."""

    sender: Client
    room_id: str
    text: str
    """The text, which is the transaction ID as well."""
    event_id: str
    answered_s: float
    """When it was answered, by the monotonic clock."""

    @property
    def path(self) -> str:
        """The path of the request."""
        return V3 + send_path(self.room_id, self.text)

    async def repeat(self) -> str:
        """Send it once more and return the event ID."""
        return await self.sender.send(self.room_id, self.text, txn_id=self.text)


class Redacted(NamedTuple):
    """A message that its sender has redacted, and the redaction."""

    room_id: str
    event_id: str
    redaction_id: str


class Load:
    """Clients that send, redact, come and go and create rooms, as long as they are let."""

    def __init__(
        self,
        senders: list[Client],
        others: list[Client],
        rooms: list[str],
        *,
        pace_s: float = 0.0,
        pause: int = _PAUSE,
    ) -> None:
        """Take who sends where, a wanderer, a redactor and a founder, and how much they do.

        Each sender rests for `pace_s` after each message in a room; the others go on after
        `pause` messages.
        """
        self.sent: list[Sent] = []
        self.redacted: list[Redacted] = []
        self.founded: list[str] = []
        self._senders = senders
        self.wanderer, self.redactor, self.founder = others
        self._rooms = rooms
        self._pace_s = pace_s
        self._pause = pause
        self._flowing = asyncio.Event()
        self._under_way = 0
        self._moved = asyncio.Condition()

    def flow(self) -> None:
        """Let the clients work."""
        self._flowing.set()

    async def pause(self) -> None:
        """Return once nothing is under way any more, and nothing will be."""
        self._flowing.clear()
        async with self._moved:
            await self._moved.wait_for(lambda: self._under_way == 0)

    async def until_answered(self, count: int) -> None:
        """Return once so many more messages have been answered."""
        wanted = len(self.sent) + count
        async with self._moved:
            await self._moved.wait_for(lambda: len(self.sent) >= wanted)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the clients while the context lasts; leave it only when they are paused."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._send_for_ever(sender, room_id))
                for sender in self._senders
                for room_id in self._rooms
            ]
            tasks.append(group.create_task(self._wander_for_ever()))
            tasks.append(group.create_task(self._redact_for_ever()))
            tasks.append(group.create_task(self._found_for_ever()))
            yield
            for task in tasks:
                task.cancel()

    @contextlib.asynccontextmanager
    async def _one_request(self) -> AsyncIterator[None]:
        await self._flowing.wait()
        self._under_way += 1
        yield
        async with self._moved:
            self._under_way -= 1
            self._moved.notify_all()

    async def _send_for_ever(self, sender: Client, room_id: str) -> None:
        for number in itertools.count():
            text = f"{sender.user_id} {self._rooms.index(room_id)} {number}"
            async with self._one_request():
                event_id = await sender.send(room_id, text, txn_id=text)
                self.sent.append(Sent(sender, room_id, text, event_id, time.monotonic()))
            await asyncio.sleep(self._pace_s)

    async def _wander_for_ever(self) -> None:
        """Join and leave the first room; a repeated request may find its work done."""
        for action in itertools.cycle(("join", "leave")):
            async with self._one_request():
                try:
                    path = f"{room_path(self._rooms[0])}/{action}"
                    await self.wanderer.call("POST", path, {})
                except Refused as refused:
                    if refused.errcode != "M_FORBIDDEN":
                        raise
            await self.until_answered(self._pause)

    async def _redact_for_ever(self) -> None:
        """Redact messages of one's own, with one transaction ID for both requests."""
        room_id = self._rooms[-1]
        for number in itertools.count():
            async with self._one_request():
                event_id = await self.redactor.send(room_id, _RASH, txn_id=f"r{number}")
                path = f"{room_path(room_id)}/redact/{event_id}/r{number}"
                answer = await self.redactor.call("PUT", path, {})
                self.redacted.append(Redacted(room_id, event_id, answer["event_id"]))
            await self.until_answered(self._pause)

    async def _found_for_ever(self) -> None:
        """Create rooms; one whose creation is cut off may be there or not."""
        for number in itertools.count():
            async with self._one_request():
                room_id = await self.founder.create_room(preset="public_chat", name=f"{number}")
                self.founded.append(room_id)
            await self.until_answered(self._pause)
