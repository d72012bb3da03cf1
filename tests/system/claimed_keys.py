"""One-time keys that are claimed all the time, and what has to hold of them whatever dies."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

from tests.system.client import Client, Homeserver

_ALGORITHM: Final = "curve25519"
_FALLBACK: Final = f"{_ALGORITHM}:fallback"
_AT_ONCE: Final = 200


class CountedHomeserver(Homeserver):
    """A server as those see it who claim keys: an attempt that is not answered may take one."""

    attempts = 0

    async def once(self, *arguments: Any, **options: Any) -> tuple[int, Any]:
        """Make one attempt."""
        self.attempts += 1
        return await super().once(*arguments, **options)


class Claim(NamedTuple):
    """A key that somebody was given, and when (monotonic clock)."""

    began_s: float
    ended_s: float
    name: str


class ClaimedKeys:
    """The keys of one device, and those who claim them."""

    def __init__(
        self, owner: Client, claimers: Mapping[Client, CountedHomeserver], count: int
    ) -> None:
        """Take whose keys they are, who claims them and where, and how many there are."""
        self._owner = owner
        self._claimers = [client.through(server) for client, server in claimers.items()]
        self._servers = set(claimers.values())
        self._names = [f"{_ALGORITHM}:{number}" for number in range(count)]
        self._claims: list[Claim] = []
        self._is_over = False
        self._moved = asyncio.Condition()

    async def upload(self) -> None:
        """Upload all keys and a fallback key."""
        for start in range(0, len(self._names), _AT_ONCE):
            keys = {name: f"key {name}" for name in self._names[start : start + _AT_ONCE]}
            await self._owner.call("POST", "/keys/upload", {"one_time_keys": keys})
        await self._owner.call("POST", "/keys/upload", {"fallback_keys": {_FALLBACK: "key"}})

    @contextlib.asynccontextmanager
    async def claimed_all_the_time(self) -> AsyncIterator[None]:
        """Claim keys while the context lasts; leave it when all requests are answered."""
        async with asyncio.TaskGroup() as group:
            for claimer in self._claimers:
                group.create_task(self._claim_for_ever(claimer))
            yield
            self._is_over = True

    async def until_claimed(self, count: int) -> None:
        """Return once so many more keys were given away."""
        wanted = len(self._claims) + count
        async with self._moved:
            await self._moved.wait_for(lambda: len(self._claims) >= wanted)

    async def _claim_for_ever(self, claimer: Client) -> None:
        while not self._is_over:
            await self._claim(claimer)

    async def _claim(self, claimer: Client) -> str:
        began_s = time.monotonic()
        owner = self._owner
        wanted = {owner.user_id: {owner.device_id: _ALGORITHM}}
        answer = await claimer.call("POST", "/keys/claim", {"one_time_keys": wanted})
        (name,) = answer["one_time_keys"][owner.user_id][owner.device_id]
        self._claims.append(Claim(began_s, time.monotonic(), name))
        async with self._moved:
            self._moved.notify_all()
        return str(name)

    async def check(self) -> None:
        """No key was given twice, and the fallback key only when all others were."""
        while await self._claim(self._claimers[0]) != _FALLBACK:
            pass
        given = Counter(one.name for one in self._claims)
        fallbacks = given.pop(_FALLBACK)
        assert set(given.values()) == {1}
        assert set(given) <= set(self._names)
        missing = len(self._names) - len(given)
        assert missing <= sum(one.attempts for one in self._servers) - len(self._claims)
        first_s = min(one.ended_s for one in self._claims if one.name == _FALLBACK)
        assert {one.name for one in self._claims if one.began_s > first_s} <= {_FALLBACK}
        counts = (await self._owner.call("POST", "/keys/upload", {}))["one_time_key_counts"]
        assert counts.get(_ALGORITHM, 0) == 0
        assert fallbacks
