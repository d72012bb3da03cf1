"""Who has to hear of whose keys, by the rules written out; and clients that are held to it."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

from logs.records.key_changes import UserSignaturesChanged
from matrix.identifiers import UserID
from tests.component.syncapi.key_records import keys_of, told_lists
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room

DAN = UserID("@dan:xylem.test")
USERS = (ALICE, BOB, CHARLIE, DAN)
MEMBERSHIPS = ("join", "join", "join", "leave", "leave", "invite", "ban", "knock")
KINDS = ("member", "member", "member", "member", "keys", "keys", "signs", "message")
_LONG_MS = 30_000

Lists = tuple[list[str], list[str]]


class Step(NamedTuple):
    """Something that happens, and who looks afterwards."""

    kind: str
    user: int
    other: int
    room: int
    membership: str
    readers: Sequence[int]
    """Users who sync then."""
    polls: Sequence[int]
    """Users who begin a long poll before, if none of theirs waits."""


class Moment(NamedTuple):
    """What holds after a step."""

    joined: frozenset[tuple[str, int]]
    """Users and rooms."""
    changed: frozenset[str]
    """Whose keys changed in the step."""
    signed: frozenset[tuple[str, str]]
    """Who signed whose keys in the step."""

    def sharing(self, reader: str) -> set[str]:
        rooms = {room for user, room in self.joined if user == reader}
        return {user for user, room in self.joined if room in rooms} - {reader}


class Model:
    """All moments, from before the first step on."""

    def __init__(self) -> None:
        self.moments = [Moment(frozenset(), frozenset(), frozenset())]

    def take(self, step: Step) -> None:
        joined = set(self.moments[-1].joined)
        user, other = USERS[step.user], USERS[step.other]
        if step.kind == "member":
            joined.discard((user, step.room))
            if step.membership == "join":
                joined.add((user, step.room))
        changed = {user} if step.kind == "keys" else set()
        signed = {(user, other)} if step.kind == "signs" else set()
        self.moments.append(Moment(frozenset(joined), frozenset(changed), frozenset(signed)))

    def lists(self, reader: str, start: int, end: int) -> Lists:
        """Return what is told of the steps behind one moment up to another."""
        before = self.moments[start].sharing(reader)
        after = self.moments[end].sharing(reader)
        steps = self.moments[start + 1 : end + 1]
        keys = {user for one in steps for user in one.changed}
        signed = {other for one in steps for user, other in one.signed if user == reader}
        gone = before - after
        changed = (keys & (after | {reader})) | (after - before) | (signed - gone)
        return sorted(changed), sorted(gone)


class Poll(NamedTuple):
    """A long poll that waits, and the moment that its token is of."""

    task: asyncio.Task[Lists]
    start: int


class Clients:
    """One client of each user, which goes to the processes in turn."""

    def __init__(self, houses: Sequence[House]) -> None:
        self._houses = houses
        self._turn = 0
        self._model = Model()
        self._tokens: dict[str, list[tuple[int, str]]] = {user: [] for user in USERS}
        """With the moments that they are of."""
        self._polls: dict[str, Poll] = {}

    async def run(self, rooms: Sequence[Room], steps: Sequence[Step]) -> None:
        """Let all happen, and compare what is told with what has to be."""
        for user in USERS:
            await self._sync(user)
        try:
            for number, step in enumerate(steps):
                await self._step(rooms, step, number)
            for user in USERS:
                await self._compare_tokens(user)
        finally:
            tasks = [poll.task for poll in self._polls.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _step(self, rooms: Sequence[Room], step: Step, number: int) -> None:
        for reader in step.polls:
            await self._begin_poll(USERS[reader])
        await self._happen(rooms, step, number)
        self._model.take(step)
        await self._settle_polls()
        for reader in step.readers:
            await self._sync(USERS[reader])

    async def _happen(self, rooms: Sequence[Room], step: Step, number: int) -> None:
        house, user = self._houses[0], USERS[step.user]
        room = rooms[step.room]
        match step.kind:
            case "member":
                await house.put(room.member(user, step.membership, displayname=str(number)))
            case "keys":
                await house.change_keys(keys_of(user))
            case "signs":
                await house.change_keys(UserSignaturesChanged(user, [USERS[step.other]]))
            case _:
                await house.put(room.message(str(number), sender=user))

    def _house(self) -> House:
        self._turn += 1
        return self._houses[self._turn % len(self._houses)]

    async def _ask(self, user: str, since: str | None, wait_ms: int = 0) -> tuple[Lists, str]:
        answer = await self._house().get(user, "sync", since=since, timeout=wait_ms)
        assert answer.status == 200, answer
        return told_lists(answer.json), answer.json["next_batch"]

    async def _sync(self, user: str) -> None:
        """Sync, and hold what is told against the model; the first time nothing is."""
        now = len(self._model.moments) - 1
        known = self._tokens[user]
        start, since = known[-1] if known else (now, None)
        lists, token = await self._ask(user, since)
        assert lists == self._model.lists(user, start, now), (user, start, now)
        known.append((now, token))

    async def _begin_poll(self, user: str) -> None:
        if user in self._polls:
            return
        await self._sync(user)
        start, since = self._tokens[user][-1]

        async def poll() -> Lists:
            return (await self._ask(user, since, _LONG_MS))[0]

        self._polls[user] = Poll(asyncio.create_task(poll()), start)
        await self._until(lambda: any(one.sync_api.is_waiting(user) for one in self._houses))

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 (nothing announces it)
                await asyncio.sleep(0)

    async def _settle_polls(self) -> None:
        """Hold those that are answered against the model; who has something to hear is."""
        now = len(self._model.moments) - 1
        for user, (task, start) in list(self._polls.items()):
            if any(self._model.lists(user, start, now)):
                async with asyncio.timeout(10):
                    await asyncio.wait([task])
            if task.done():
                # What woke it may have been an event of an earlier step.
                allowed = [self._model.lists(user, start, end) for end in range(start + 1, now + 1)]
                assert task.result() in allowed, (user, start, now)
                del self._polls[user]

    async def _compare_tokens(self, user: str) -> None:
        """Ask for what changed between any two tokens."""
        for (start, since), (end, upto) in combinations(self._tokens[user], 2):
            answer = await self._house().get(user, "keys/changes", from_=since, to=upto)
            lists = answer.json["changed"], answer.json["left"]
            assert lists == self._model.lists(user, start, end), (user, start, end)
