"""Two key servers are killed in turn while both give keys away: no key is given twice."""

import asyncio
from functools import partial

import aiohttp
import pytest

from localcluster.cluster import ComponentProcess
from localcluster.programs import is_listening
from tests.system.claimed_keys import ClaimedKeys, CountedHomeserver
from tests.system.client import Homeserver
from tests.system.cluster.conftest import RunningCluster

_KILLS = 4
_BETWEEN_KILLS = 50
_START_TIMEOUT_S = 60


class Replica:
    """One key server, and how its clients know that it is back."""

    def __init__(self, process: ComponentProcess, http: aiohttp.ClientSession) -> None:
        self._process = process
        self._is_up = asyncio.Event()
        self._is_up.set()
        url = f"http://127.0.0.1:{process.ports.client}"
        self.server = CountedHomeserver(http, lambda: url, until_back=self._until_up)
        self.for_owner = Homeserver(http, lambda: url, until_back=self._until_up)

    async def _until_up(self) -> None:
        await self._is_up.wait()

    def kill(self) -> None:
        """Kill it at once."""
        self._is_up.clear()
        self._process.program.kill()

    async def start(self) -> None:
        """Start it again, and let the clients at it."""
        program = self._process.program
        program.start()
        listens = partial(is_listening, self._process.ports.client)
        await asyncio.to_thread(program.wait_until, listens, _START_TIMEOUT_S)
        self._is_up.set()


@pytest.mark.timeout(150)
async def test_key_servers_that_are_killed_in_turn_give_no_key_twice(
    homeserver: Homeserver, running_cluster: RunningCluster
) -> None:
    processes = running_cluster.cluster.processes
    first, second = (
        Replica(processes[f"keyserver-{number}"], homeserver.http) for number in (1, 2)
    )
    alice, *claimers = await homeserver.register_all("alice", "bob", "carol", "dave", "erin")
    asked = [first.server, second.server] * 2
    owner = alice.through(first.for_owner)
    claimed = ClaimedKeys(owner, dict(zip(claimers, asked, strict=True)))
    await claimed.begin()

    async with claimed.claimed_all_the_time():
        for number in range(_KILLS):
            replica = (first, second)[number % 2]
            await claimed.until_claimed(_BETWEEN_KILLS)
            replica.kill()
            # The other one goes on meanwhile.
            await replica.start()

    await claimed.check()
