import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from bench.client import Client, User
from bench.http import Address
from bench.timeline import NARROW, WIDE, GapNeverEndsError, Timeline, take_tokens

ROOM = "!room:x"
ALICE = User("@alice:x", "token", "PHONE")


def event(number: int) -> dict[str, Any]:
    return {"event_id": f"${number}", "sender": ALICE.user_id, "content": {"bench_n": number}}


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listening = Callable[[Handler], AbstractAsyncContextManager[Address]]
Serving = Callable[["Room"], AbstractAsyncContextManager[Client]]


class Room:
    """A server with one room, whose tokens are counts of events."""

    def __init__(self, events: int, *, lag: int = 0) -> None:
        self.events = [event(number) for number in range(events)]
        self.visible = events - lag

    def answer(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        if path.endswith("/messages"):
            end = int(query["from"][0])
            start = max(0, end - 3)
            page = {"chunk": self.events[start:end][::-1]}
            return page | ({"end": str(start)} if start else {})
        limit = orjson.loads(query["filter"][0])["room"]["timeline"]["limit"]
        since = int(query["since"][0]) if "since" in query else 0
        until = self.visible
        self.visible = len(self.events)
        start = max(since, until - limit)
        timeline = {
            "events": self.events[start:until],
            "limited": start > since,
            "prev_batch": str(start),
        }
        rooms = {"join": {ROOM: {"timeline": timeline}}} if until > since else {}
        return {"next_batch": str(until), "rooms": rooms}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target = urlsplit(head.split(b" ")[1].decode())
            body = orjson.dumps(self.answer(target.path, parse_qs(target.query)))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.fixture
def serving(listening: Listening) -> Serving:
    @asynccontextmanager
    async def serve(room: Room) -> AsyncIterator[Client]:
        async with listening(room.serve) as address:
            client = Client(address, "secret")
            try:
                yield client
            finally:
                client.close()

    return serve


def numbers(timeline: Timeline) -> list[int]:
    return [each["content"]["bench_n"] for each in timeline.events[ROOM]]


@pytest.mark.parametrize("limit", [WIDE, NARROW, 1])
async def test_a_timeline_is_whole_however_narrow_the_sync_is(serving: Serving, limit: int) -> None:
    async with serving(Room(60)) as client:
        timeline = Timeline(client, ALICE, {ROOM: "$9"})
        await timeline.follow("10", limit, lambda seen: seen.count() >= 50)

    assert numbers(timeline) == list(range(10, 60))
    assert timeline.gaps == (0 if limit == WIDE else 1)


async def test_what_comes_late_is_waited_for(serving: Serving) -> None:
    async with serving(Room(20, lag=5)) as client:
        timeline = Timeline(client, ALICE, {ROOM: "$9"})
        await timeline.follow("10", WIDE, lambda seen: seen.count() >= 10)

    assert numbers(timeline) == list(range(10, 20))


async def test_following_ends_when_nothing_more_comes(serving: Serving) -> None:
    async with serving(Room(20)) as client:
        timeline = Timeline(client, ALICE, {ROOM: "$9"})
        await timeline.follow("10", WIDE, lambda _: False)

    assert numbers(timeline) == list(range(10, 20))


async def test_a_gap_that_does_not_lead_back_is_an_error(serving: Serving) -> None:
    async with serving(Room(60)) as client:
        timeline = Timeline(client, ALICE, {ROOM: "$elsewhere"})

        with pytest.raises(GapNeverEndsError):
            await timeline.follow("10", NARROW, lambda _: True)


async def test_a_token_is_taken_once_the_sync_holds_the_anchor(serving: Serving) -> None:
    async with serving(Room(20, lag=5)) as client:
        tokens = await take_tokens(client, [ALICE], {ALICE.user_id: {ROOM: "$19"}})

    assert tokens == ["20"]
