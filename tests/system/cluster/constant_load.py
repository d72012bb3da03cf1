"""Rooms in a cluster with people who talk and listen all the time, whatever goes wrong."""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp

from tests.system.client import Client, Homeserver, ids
from tests.system.crashes import Load, Sent
from tests.system.follower import Follower, follower_of, following

ROOMS: Final = 5
PACE_S: Final = 1.0
OTHERS_PAUSE: Final = 40
_PATIENCE_S: Final = 3.0
# Filling gaps takes many requests, and each one may be sent to a process that stands still.
_LONG_TIMELINES: Final = {"room": {"timeline": {"limit": 200}}}
_REPEAT_AFTER_S: Final = 0.1
_LONGEST_RECOVERY_S: Final = 120.0


class ImpatientHomeserver(Homeserver):
    """A cluster as clients know it who repeat a request that takes too long, and count answers."""

    def __init__(self, http: aiohttp.ClientSession, url: str, secret: str, suffix: str) -> None:
        super().__init__(
            http,
            lambda: url,
            shared_secret=secret,
            name_suffix=suffix,
            until_back=lambda: asyncio.sleep(_REPEAT_AFTER_S),
        )
        self.answers: Counter[int] = Counter()

    async def once(self, *arguments: Any, **options: Any) -> tuple[int, Any]:
        """Make one attempt, as any client does, and count its status."""
        status, body = await super().once(*arguments, **options)
        self.answers[status] += 1
        return status, body

    def repeated(self) -> int:
        """Return how many attempts were answered with a request to come back, or not at all."""
        asked = sum(self.answers[status] for status in (429, 502, 503, 504))
        return asked + self.cut_off.total()


@contextlib.asynccontextmanager
async def impatient_http() -> AsyncIterator[aiohttp.ClientSession]:
    """Hold an HTTP client that gives a request up when it hears nothing for some seconds."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=_PATIENCE_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


class Village:
    """Some people in rooms of their own: what they have sent and what each has seen."""

    def __init__(
        self, homeserver: ImpatientHomeserver, members: list[Client], load: Load, rooms: list[str]
    ) -> None:
        self.homeserver = homeserver
        self.members = members
        self.load = load
        self.rooms = rooms
        self.followers: list[Follower] = []
        self.probes: list[Sent] = []
        self._numbers = itertools.count()

    @property
    def sent(self) -> list[Sent]:
        """All messages that were answered."""
        return self.load.sent + self.probes

    @contextlib.asynccontextmanager
    async def awake(self) -> AsyncIterator[None]:
        """Let everybody listen and talk; when the context ends all that was said is answered."""
        self.followers = [
            await follower_of(member, sync_filter=_LONG_TIMELINES) for member in self.members
        ]
        async with following(*self.followers):
            async with self.load.running():
                self.load.flow()
                yield
                await self.load.pause()
            await self.probe()

    async def probe(self) -> float:
        """Say something in each room and return the time at which everybody had seen all of it."""
        said: list[Sent] = []
        try:
            async with asyncio.timeout(_LONGEST_RECOVERY_S):
                said += await asyncio.gather(*(self._say(room_id) for room_id in self.rooms))
                for follower, sent in itertools.product(self.followers, said):
                    await follower.until_seen(sent.room_id, [sent.event_id])
        except TimeoutError as error:
            raise AssertionError(await self._missed(said)) from error
        return time.monotonic()

    async def _missed(self, said: list[Sent]) -> str:
        """Return who did not see what in time, and whether a sync from the start shows it."""
        missed = [] if said else ["not all of it was answered"]
        for follower in self.followers:
            anew = await follower.client.sync()
            for sent in said:
                if sent.event_id not in ids(follower.rooms.get(sent.room_id, [])):
                    events = anew["rooms"]["join"][sent.room_id]["timeline"]["events"]
                    shown = "shown" if sent.event_id in ids(events) else "not shown"
                    missed.append(f"{follower.client.user_id} in {sent.room_id}: {shown} anew")
        return "; ".join(missed)

    async def _say(self, room_id: str) -> Sent:
        text = f"Has everybody heard this? {next(self._numbers)}"
        sender = self.members[0]
        event_id = await sender.send(room_id, text, txn_id=text)
        sent = Sent(sender, room_id, text, event_id, time.monotonic())
        self.probes.append(sent)
        return sent

    def longest_silence_s(self, since_s: float) -> float:
        """Return the longest time in which no message was answered in one of the rooms."""
        longest = 0.0
        for room_id in self.rooms:
            times = sorted(one.answered_s for one in self.sent if one.room_id == room_id)
            times = [one for one in times if one >= since_s]
            pairs = itertools.pairwise([since_s, *times])
            longest = max(longest, *(later - earlier for earlier, later in pairs))
        return longest


async def settle(homeserver: ImpatientHomeserver) -> Village:
    """Register people, let them found rooms and join each other's."""
    members = await homeserver.register_all("alice", "bob", "carol")
    others = await homeserver.register_all("wanderer", "redactor", "founder")
    rooms = [await members[0].create_room(preset="public_chat") for _ in range(ROOMS)]
    for member in members[1:]:
        await asyncio.gather(*(member.join(room_id) for room_id in rooms))
    await others[1].join(rooms[-1])
    load = Load(members, others, rooms, pace_s=PACE_S, pause=OTHERS_PAUSE)
    return Village(homeserver, members, load, rooms)
