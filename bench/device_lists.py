"""Members who poll, and of whom they are told: who joins, and whose devices change."""

import asyncio
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, Final

import orjson

from bench.load import Poller

PATIENCE_S: Final = 10.0


class Watcher(Poller):
    """A member who polls and notes of whom it is told."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.joined: set[str] = set()
        self.changed: list[str] = []
        self.last_news_at = 0.0

    def count(self, body: bytes) -> int:
        """Note who joined and whose devices changed; return how many these are."""
        answer = orjson.loads(body)
        joined, changed = joins_in(answer), changed_in(answer)
        self.joined |= joined
        self.changed += changed
        if joined or changed:
            self.last_news_at = perf_counter()
        return len(joined) + len(changed)

    def knows(self, user_id: str, *, lists: bool) -> bool:
        """Say whether it was told of a user; with `lists` in its device lists, too."""
        return user_id in self.joined and (not lists or user_id in self.changed)


async def told(
    watchers: list[Watcher],
    is_told: Callable[[Watcher], bool],
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait until all watchers have been told of something, or it takes too long."""
    deadline = perf_counter() + patience_s
    for each in watchers:
        while not is_told(each):
            if perf_counter() > deadline:
                return
            await asyncio.sleep(0.01)


def changed_in(answer: dict[str, Any]) -> list[str]:
    """Return whose devices changed according to a sync answer."""
    return [*answer.get("device_lists", {}).get("changed", [])]


def joins_in(answer: dict[str, Any]) -> set[str]:
    """Return who joined according to the timelines of a sync answer."""

    def events() -> Iterable[dict[str, Any]]:
        for room in answer.get("rooms", {}).get("join", {}).values():
            yield from room["timeline"]["events"]

    return {event["state_key"] for event in events() if event["type"] == "m.room.member"}
