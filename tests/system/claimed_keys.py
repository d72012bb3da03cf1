"""One-time keys that are claimed all the time, and what has to hold of them whatever dies."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from tests.system.client import Client, Homeserver

_ALGORITHM: Final = "curve25519"
_FALLBACK: Final = f"{_ALGORITHM}:fallback"
_AT_ONCE: Final = 10
_IN_THE_END: Final = 100


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

    def __init__(self, owner: Client, claimers: Mapping[Client, CountedHomeserver]) -> None:
        """Take whose keys they are, and who claims them and where; all repeat what is cut off."""
        self._owner = owner
        self._claimers = [client.through(server) for client, server in claimers.items()]
        self._servers = set(claimers.values())
        self._uploaded = 0
        self._claims: list[Claim] = []
        self._is_over = False
        self._moved = asyncio.Condition()

    async def begin(self) -> None:
        """Upload a fallback key, which is there from now on."""
        await self._owner.call("POST", "/keys/upload", {"fallback_keys": {_FALLBACK: "key"}})

    async def _upload(self, count: int) -> None:
        numbers = range(self._uploaded, self._uploaded + count)
        keys = {f"{_ALGORITHM}:{number}": f"key {number}" for number in numbers}
        await self._owner.call("POST", "/keys/upload", {"one_time_keys": keys})
        self._uploaded += count

    @contextlib.asynccontextmanager
    async def claimed_all_the_time(self) -> AsyncIterator[None]:
        """Upload and claim keys while the context lasts; leave it when all is answered."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._upload_for_ever())
            for claimer in self._claimers:
                group.create_task(self._claim_for_ever(claimer))
            yield
            self._is_over = True

    async def until_claimed(self, count: int) -> None:
        """Return once so many more one-time keys were given away."""
        wanted = len(self._given()) + count
        async with self._moved:
            await self._moved.wait_for(lambda: len(self._given()) >= wanted)

    def _given(self) -> list[str]:
        return [one.name for one in self._claims if one.name != _FALLBACK]

    async def _upload_for_ever(self) -> None:
        """Upload some whenever none is left, so that what is repeated is claimed at once."""
        while not self._is_over:
            await self._upload(_AT_ONCE)
            seen = len(self._claims)
            async with self._moved:
                await self._moved.wait_for(partial(self._is_dry_since, seen))

    def _is_dry_since(self, seen: int) -> bool:
        return self._is_over or _FALLBACK in {one.name for one in self._claims[seen:]}

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
        await self._upload(_IN_THE_END)
        uploaded_s = time.monotonic()
        await asyncio.gather(*map(self._claim_until_fallback, self._claimers))
        given = Counter(self._given())
        assert set(given.values()) == {1}
        assert set(given) <= {f"{_ALGORITHM}:{number}" for number in range(self._uploaded)}
        missing = self._uploaded - len(given)
        assert missing <= sum(one.attempts for one in self._servers) - len(self._claims)
        last = [one for one in self._claims if one.began_s > uploaded_s]
        first_s = min(one.ended_s for one in last if one.name == _FALLBACK)
        assert {one.name for one in last if one.began_s > first_s} <= {_FALLBACK}
        assert len(last) >= _IN_THE_END
        counts = (await self._owner.call("POST", "/keys/upload", {}))["one_time_key_counts"]
        assert counts.get(_ALGORITHM, 0) == 0

    async def _claim_until_fallback(self, claimer: Client) -> None:
        while await self._claim(claimer) != _FALLBACK:
            pass
