"""Backups of keys are what a small model says, over two replicas, one after another and at once."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from base.http.testing import Answer
from logs.embedded import EmbeddedLog
from matrix.identifiers import UserID
from tests.component.keyserver.backup_requests import Backups, Key, a_key
from tests.component.keyserver.keyserver_house import DevicesOfTest, House, running_house

Place = tuple[str, ...]
Step = tuple[Any, ...]


def rank(key: Key) -> tuple[bool, int, int]:
    """What the specification compares, the best first."""
    return (not key["is_verified"], key["first_message_index"], key["forwarded_count"])


class ModelBackup:
    """The keys of a backup, by room and session, and how often they have changed."""

    def __init__(self) -> None:
        self.keys: dict[Place, Key] = {}
        self.changes = 0

    def store(self, keys: dict[Place, Key]) -> None:
        better = {
            place: key
            for place, key in keys.items()
            if place not in self.keys or rank(key) < rank(self.keys[place])
        }
        self.keys |= better
        self.changes += bool(better)

    def remove(self, place: Place) -> None:
        left = {one: key for one, key in self.keys.items() if one[: len(place)] != place}
        self.changes += len(left) < len(self.keys)
        self.keys = left

    def rooms(self) -> dict[str, dict[str, Key]]:
        found: dict[str, dict[str, Key]] = {}
        for (room_id, session_id), key in self.keys.items():
            found.setdefault(room_id, {})[session_id] = key
        return found

    def size(self) -> dict[str, Any]:
        return {"count": len(self.keys), "etag": str(self.changes)}


class Model:
    """All backups of a user."""

    def __init__(self) -> None:
        self.last = 0
        self.backups: dict[int, ModelBackup] = {}

    def refusal(self, version: int, *, is_store: bool = False) -> tuple[int, str] | None:
        if version not in self.backups:
            return 404, "M_NOT_FOUND"
        if is_store and version != max(self.backups):
            return 403, "M_WRONG_ROOM_KEYS_VERSION"
        return None


def rooms_of(keys: dict[Place, Key]) -> dict[str, dict[str, Key]]:
    found = ModelBackup()
    found.store(keys)
    return found.rooms()


_ROOMS = ("!one:xylem.test", "!two:xylem.test", "!three")
_PLACES = st.tuples(st.sampled_from(_ROOMS), st.sampled_from(["a", "b", "c+/=", "d"]))
_KEYS = st.builds(
    lambda index, count, is_verified: a_key(index, count, is_verified=is_verified),
    st.integers(0, 2),
    st.integers(0, 2),
    st.booleans(),
)
_STORED = st.dictionaries(_PLACES, _KEYS, max_size=5)
_ANY_OF = st.one_of(st.just(()), st.tuples(st.sampled_from(_ROOMS)), _PLACES)
_VERSIONS = st.integers(-1, 2)
"""How far behind the newest backup that was ever made."""
_ONE_STEP = st.one_of(
    st.tuples(st.just("make")),
    st.tuples(st.just("drop"), _VERSIONS),
    st.tuples(st.just("store"), st.just(0), _STORED),
    st.tuples(st.just("store"), _VERSIONS, _STORED),
    st.tuples(st.just("remove"), _VERSIONS, _ANY_OF),
)
_STEPS = st.lists(
    st.one_of(
        _ONE_STEP,
        _ONE_STEP,
        st.tuples(st.just("store at once"), st.lists(_STORED, min_size=2, max_size=4)),
        st.tuples(st.just("at once"), st.lists(_ONE_STEP, min_size=2, max_size=5)),
    ),
    max_size=14,
)


class Story:
    """One user, through both replicas in turn, and what the model says of them."""

    def __init__(self, devices: Sequence[Backups]) -> None:
        self.model = Model()
        self._devices = devices
        self._turn = 0

    def device(self) -> Backups:
        self._turn += 1
        return self._devices[self._turn % len(self._devices)]

    async def go(self, step: Step) -> None:
        """Do one step, or several at once, and compare."""
        kind = step[0]
        if kind == "store at once":
            await self._store_at_once(step[1])
        elif kind == "at once":
            await asyncio.gather(*map(self.ask, step[1]))
            await self._take_over()
        else:
            self._expect(step, await self.ask(step))
        await self.check()

    async def ask(self, step: Step) -> Answer:
        """Do a step."""
        kind, device = step[0], self.device()
        if kind == "make":
            return await device.make({"algorithm": "m.megolm_backup.v1", "auth_data": {}})
        version = str(self.model.last - step[1])
        if kind == "drop":
            return await device.drop(version)
        if kind == "remove":
            return await device.remove(version, *step[2])
        keys: dict[Place, Key] = step[2]
        if len(keys) == 1:
            ((place, key),) = keys.items()
            return await device.store(version, key, *place)
        return await device.store_rooms(version, rooms_of(keys))

    def _expect(self, step: Step, answer: Answer) -> None:
        kind, model = step[0], self.model
        if kind == "make":
            model.last += 1
            model.backups[model.last] = ModelBackup()
            assert answer.json == {"version": str(model.last)}
            return
        version = model.last - step[1]
        if kind == "drop":
            model.backups.pop(version, None)
            assert answer.status == (200 if 0 < version <= model.last else 404)
            return
        refusal = model.refusal(version, is_store=kind == "store")
        if refusal is not None:
            assert (answer.status, answer.errcode) == refusal
            return
        getattr(model.backups[version], kind)(step[2])
        assert answer.json == model.backups[version].size()

    async def _store_at_once(self, many: Sequence[dict[Place, Key]]) -> None:
        """Whichever comes first, the best copies stay."""
        steps = [("store", 0, keys) for keys in many]
        answers = await asyncio.gather(*map(self.ask, steps))
        backup = self.model.backups.get(self.model.last)
        if backup is None:
            assert {answer.status for answer in answers} == {404}
            return
        before = backup.changes
        for keys in many:
            backup.store(keys)
        etag = max(int(answer.json["etag"]) for answer in answers)
        assert min(backup.changes, before + 1) <= etag <= before + len(many)
        backup.changes = etag

    async def _take_over(self) -> None:
        """Go on with what there is after steps whose order is not known."""
        last = int((await self.ask(("make",))).json["version"])
        assert last > self.model.last
        before, self.model = self.model, Model()
        self.model.last = last
        for version in range(1, last + 1):
            about = await self.device().about(str(version))
            if about.status == 200:
                backup = self.model.backups[version] = ModelBackup()
                rooms = await self.device().rooms(str(version))
                backup.store({(r, s): key for r in rooms for s, key in rooms[r].items()})
                backup.changes = int(about.json["etag"])
                if version in before.backups:
                    former = before.backups[version]
                    assert backup.changes >= former.changes
                    assert backup.changes > former.changes or backup.keys == former.keys
            else:
                assert version <= before.last or about.errcode == "M_NOT_FOUND"

    async def check(self) -> None:
        """All that can be read is what the model has."""
        model = self.model
        for version in range(1, model.last + 1):
            about = await self.device().about(str(version))
            backup = model.backups.get(version)
            if backup is None:
                assert about.status == 404
                continue
            assert {name: about.json[name] for name in ("count", "etag")} == backup.size()
            rooms = backup.rooms()
            assert await self.device().rooms(str(version)) == rooms
            for room_id in _ROOMS:
                found = (await self.device().keys(str(version), room_id)).json
                assert found == {"sessions": rooms.get(room_id, {})}
        current = await self.device().about()
        if model.backups:
            assert current.json["version"] == str(max(model.backups))
        else:
            assert current.status == 404


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=_STEPS)
async def test_backups_are_those_of_a_small_model(
    house: House, log: EmbeddedLog, database_url: str, users: DevicesOfTest, steps: list[Step]
) -> None:
    user_id = UserID(f"@user{len(users.numbers)}:xylem.test")
    async with running_house(log, database_url, users, backup_rate_per_user=None) as other:
        device = await house.login(user_id, "PHONE")
        clients = [device.client, other.client.as_user(device.token)]
        story = Story([Backups(one, "/_matrix/client/unstable/room_keys") for one in clients])
        for step in steps:
            await story.go(step)
