"""What one device sees of its rooms by following /sync without end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

from tests.system.client import Client, Event, ids

_LONG_POLL_MS: Final = 30_000


class Follower:
    """Follows a device's /sync and keeps all events of its joined rooms, gaps filled.

    A limited timeline is completed through /messages, from its prev_batch back to the token of the
    sync before.
    """

    def __init__(self, client: Client, since: str, *, sync_filter: Any = None) -> None:
        self.client = client
        self.since = since
        """The token up to which `rooms` tells everything."""
        self._filter = sync_filter
        self.rooms: dict[str, list[Event]] = {}
        self.gaps_filled = 0
        self._grown = asyncio.Condition()

    async def step(self, timeout_ms: int = 0) -> bool:
        """Make one /sync and take in what it tells; returns whether there was anything."""
        answer = await self.client.sync(self.since, timeout_ms=timeout_ms, sync_filter=self._filter)
        joined: dict[str, Any] = answer.get("rooms", {}).get("join", {})
        found = {}
        for room_id, room in joined.items():
            timeline = room["timeline"]
            events: list[Event] = timeline["events"]
            if timeline["limited"]:
                self.gaps_filled += 1
                gap = await self.client.walk(
                    room_id, start=timeline["prev_batch"], to=self.since, limit=20
                )
                events = gap + events
            found[room_id] = events
        async with self._grown:
            for room_id, events in found.items():
                self.rooms.setdefault(room_id, []).extend(events)
            is_news = bool(joined) or answer["next_batch"] != self.since
            self.since = answer["next_batch"]
            self._grown.notify_all()
        return is_news

    async def follow(self) -> None:
        """Long-poll without end."""
        while True:
            await self.step(_LONG_POLL_MS)

    async def catch_up(self) -> None:
        """Sync until there is nothing new."""
        while await self.step():
            pass

    async def until(self, is_reached: Callable[[], bool]) -> None:
        """Return once what has been seen satisfies the condition."""
        async with self._grown:
            await self._grown.wait_for(is_reached)

    async def until_seen(self, room_id: str, event_ids: Iterable[str]) -> None:
        """Return once all these events have been seen."""
        wanted = set(event_ids)
        await self.until(lambda: wanted <= set(ids(self.rooms.get(room_id, []))))


async def follower_of(client: Client, *, sync_filter: Any = None) -> Follower:
    """Return a follower that starts from now."""
    since = (await client.sync())["next_batch"]
    return Follower(client, since, sync_filter=sync_filter)


@contextlib.asynccontextmanager
async def following(*followers: Follower) -> AsyncIterator[None]:
    """Let followers long-poll while the context lasts; if one fails, so does the context."""
    async with asyncio.TaskGroup() as group:
        polls = [group.create_task(follower.follow()) for follower in followers]
        yield
        for poll in polls:
            poll.cancel()
