"""What a member saw of rooms: sync answers put together, gaps filled from /messages."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Final

import orjson

from bench.client import (
    Client,
    User,
    gather_in_order,
    messages_path,
    sync_path,
    timeline_filter,
)
from bench.http import build_request

Event = dict[str, Any]

WIDE: Final = 100_000
"""A timeline limit that leaves no gap, unless the server has a limit of its own."""

NARROW: Final = 20
"""A timeline limit that leaves a gap to be filled from /messages."""

_PAGE: Final = 100
_SETTLE_S: Final = 20.0
_POLL_MS: Final = 1000


class GapNeverEndsError(Exception):
    """The history before a limited timeline does not lead back to what was seen last."""


class Timeline:
    """What one member saw of some rooms since a token.

    `anchors` names for each room the last event before that token: paging back over a gap
    ends there at the latest.
    """

    def __init__(self, client: Client, user: User, anchors: Mapping[str, str]) -> None:
        self.user = user
        self.events: dict[str, list[Event]] = {room_id: [] for room_id in anchors}
        self.gaps = 0
        self._client = client
        self._anchors = anchors

    async def take(self, body: bytes) -> str:
        """Add what a sync answer holds, filling its gaps; return its next_batch."""
        answer = orjson.loads(body)
        joined = answer.get("rooms", {}).get("join", {})
        for room_id, events in self.events.items():
            timeline = joined.get(room_id, {}).get("timeline")
            if timeline is None:
                continue
            if timeline.get("limited"):
                events.extend(await self._before(room_id, timeline["prev_batch"], events))
            events.extend(timeline["events"])
        return str(answer["next_batch"])

    async def follow(self, since: str, limit: int, enough: Callable[["Timeline"], bool]) -> None:
        """Sync from the token until it is enough, or nothing more comes."""
        timeout_ms = 0
        while True:
            path = sync_path(since=since, timeout_ms=timeout_ms, sync_filter=timeline_filter(limit))
            request = build_request("GET", path, token=self.user.token)
            before = self.count()
            since = await self.take((await self._client.answer(request)).body)
            if enough(self) or (timeout_ms and self.count() == before):
                return
            timeout_ms = _POLL_MS

    def count(self) -> int:
        """Return how many events there are in all rooms."""
        return sum(len(events) for events in self.events.values())

    async def _before(self, room_id: str, start: str, seen: Sequence[Event]) -> list[Event]:
        """Return the events between the last one seen and the token, oldest first."""
        self.gaps += 1
        last_seen = seen[-1]["event_id"] if seen else self._anchors[room_id]
        gap: list[Event] = []
        token: str | None = start
        while token is not None:
            path = messages_path(room_id, start=token, limit=_PAGE)
            page = await self._client.call("GET", path, self.user)
            for event in page["chunk"]:
                if event["event_id"] == last_seen:
                    return gap[::-1]
                gap.append(event)
            token = page.get("end")
        raise GapNeverEndsError(f"{self.user.user_id} in {room_id}: {last_seen} not found")


async def take_tokens(
    client: Client, members: Sequence[User], anchors: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Return a sync token of each member that stands right after their rooms' anchors.

    `anchors` maps user IDs to room IDs to event IDs. A server may need a moment until a
    member's sync holds what was sent; one that never does raises TimeoutError.
    """

    async def token(user: User) -> str:
        deadline = perf_counter() + _SETTLE_S
        path = sync_path(sync_filter=timeline_filter(1))
        while True:
            answer = await client.call("GET", path, user)
            joined = answer.get("rooms", {}).get("join", {})
            if (
                all(
                    [
                        event["event_id"]
                        for event in joined.get(room_id, {})["timeline"]["events"][-1:]
                    ]
                    == [event_id]
                    for room_id, event_id in anchors[user.user_id].items()
                    if room_id in joined
                )
                and joined.keys() >= anchors[user.user_id].keys()
            ):
                return str(answer["next_batch"])
            if perf_counter() > deadline:
                raise TimeoutError(f"the sync of {user.user_id} never holds what was sent")
            await asyncio.sleep(0.1)

    return await gather_in_order(token, members)
