"""Whatever happens, everybody hears of all keys that they have to know, and of no others."""

import asyncio
import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.syncapi.settings import SyncApiSettings
from tests.component.syncapi.key_model import KINDS, MEMBERSHIPS, USERS, Clients, Step
from tests.component.syncapi.replicas import two_replicas
from tests.component.syncapi.story import Room, running_house

_EXAMPLES = int(os.environ.get("XYLEM_DEVICE_LIST_EXAMPLES", "30"))
_ROOMS = 3

_users = st.integers(0, len(USERS) - 1)
_some_users = st.lists(_users, max_size=2, unique=True)
_steps = st.builds(
    Step,
    kind=st.sampled_from(KINDS),
    user=_users,
    other=_users,
    room=st.integers(0, _ROOMS - 1),
    membership=st.sampled_from(MEMBERSHIPS),
    readers=_some_users,
    polls=_some_users,
)
_settings = st.builds(
    SyncApiSettings,
    recent_events_bytes=st.sampled_from([1, 3000, 2**20]),
    recent_key_changes=st.sampled_from([1, 3, 1000]),
    cached_memberships=st.sampled_from([4, 1000]),
    cached_key_counts=st.just(2),
)


def _rooms() -> list[Room]:
    return [Room(f"room{number}") for number in range(_ROOMS)]


@settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(_steps, min_size=1, max_size=25),
    memory=_settings,
    partitions=st.sampled_from([1, 3]),
)
def test_syncs_long_polls_and_pairs_of_tokens_tell_exactly_what_the_rules_say(
    steps: list[Step], memory: SyncApiSettings, partitions: int
) -> None:
    async def run(folder: Path) -> None:
        async with running_house(folder, f"sqlite:///{folder}/db", memory, partitions) as house:
            await Clients([house]).run(_rooms(), steps)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


@pytest.mark.postgres
@pytest.mark.parametrize("seed", range(3))
async def test_it_is_the_same_at_either_of_two_replicas(
    tmp_path: Path, postgres_url: str, seed: int
) -> None:
    chance = random.Random(seed)

    def some() -> list[int]:
        return chance.sample(range(len(USERS)), chance.randrange(3))

    steps = [
        Step(
            chance.choice(KINDS),
            chance.randrange(len(USERS)),
            chance.randrange(len(USERS)),
            chance.randrange(_ROOMS),
            chance.choice(MEMBERSHIPS),
            some(),
            some(),
        )
        for _ in range(40)
    ]
    async with two_replicas(tmp_path, postgres_url) as replicas:
        await Clients(replicas).run(_rooms(), steps)
