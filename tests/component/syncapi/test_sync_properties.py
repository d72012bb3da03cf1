"""What a client puts together from /sync and /messages is the room, whatever happened in it."""

import random
from pathlib import Path
from typing import Any

import pytest

from components.syncapi.settings import SyncApiSettings
from logs.records.room_output import EventAdded
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, running_house

_STEPS = 60
_VISIBILITIES = ("joined", "invited", "shared", "world_readable")
_NEXT = {"join": ["leave"], "invite": ["join"], "leave": ["invite", "join"]}


class Model:
    """A room's whole timeline, and by the rules of the specification who may see what of it."""

    def __init__(self) -> None:
        self.room = Room()
        self.records: list[EventAdded] = []
        self.visibility_before: list[str] = []
        self.memberships: dict[str, str] = {}
        self.membership_before: list[dict[str, str]] = []
        self.states: list[dict[tuple[str, str], str]] = [{}]
        for record in self.room.created():
            assert isinstance(record, EventAdded)
            self.add(record)

    def add(self, record: EventAdded) -> EventAdded:
        """Note a record that was just made."""
        self.records.append(record)
        self.visibility_before.append(record.history_visibility)
        self.membership_before.append(dict(self.memberships))
        state = dict(self.states[-1])
        for change in record.state_changes:
            assert change.event_id is not None
            state[change.type, change.state_key] = change.event_id
            if change.type == "m.room.member":
                event = self.room.state[change.type, change.state_key]
                self.memberships[change.state_key] = event.content["membership"]
        self.states.append(state)
        return record

    def happen(self, chance: random.Random) -> EventAdded:
        """Let something happen that the rooms' rules would allow."""
        user = chance.choice([BOB, CHARLIE])
        now = self.memberships.get(user, "leave")
        match chance.randrange(10):
            case 0 | 1:
                membership = chance.choice(_NEXT[now])
                return self.add(self.room.member(user, membership, by=user))
            case 2:
                return self.add(self.room.hides(chance.choice(_VISIBILITIES)))
            case 3:
                topic = {"topic": str(len(self.records))}
                return self.add(self.room.state_event("m.room.topic", topic))
            case 4 if now == "join":
                name = str(len(self.records))
                return self.add(self.room.member(user, "join", displayname=name))
            case _:
                sender = user if now == "join" else ALICE
                return self.add(self.room.message(str(len(self.records)), sender=sender))

    def sees(self, user: str, place: int) -> bool:
        """Whether a user may see an event by the rules, each rule written out."""
        change = self.records[place].state_changes[0] if self.records[place].state_changes else None
        if change is not None and (change.type, change.state_key) == ("m.room.member", user):
            return True
        settings = {self.visibility_before[place]}
        if change is not None and change.type == "m.room.history_visibility":
            settings.add(self._set_visibility(place))
        before = self.membership_before[place].get(user, "leave")
        joins_later = any(
            after.get(user) == "join"
            for after in [*self.membership_before[place + 1 :], self.memberships]
        )
        return (
            before == "join"
            or "world_readable" in settings
            or ("shared" in settings and joins_later)
            or ("invited" in settings and before == "invite")
        )

    def _set_visibility(self, place: int) -> str:
        following = [*self.visibility_before, self.room.visibility]
        return following[place + 1]

    def seen(self, user: str, start: int, end: int) -> list[str]:
        """Return the IDs of the events that a user sees of a range."""
        return [self.records[at].event_id for at in range(start, end) if self.sees(user, at)]


class Reader:
    """A client of one user: where it is, and what it takes the room's state to be."""

    def __init__(self, user: str, *, state_after: bool) -> None:
        self.user = user
        self.state_after = state_after
        self.since: str | None = None
        self.place = 0
        self.state: dict[tuple[str, str], str] = {}
        self.is_in = False

    async def sync(self, house: House, model: Model, limit: int) -> None:
        """Sync once and hold the answer against the model."""
        answer = await house.sync(
            f"{self.user}/{self.state_after}",
            self.since,
            use_state_after=self.state_after,
            filter={"room": {"timeline": {"limit": limit}}},
        )
        end = len(model.records)
        rooms = answer["rooms"]
        part = rooms.get("join", {}).get(model.room.room_id)
        if part is not None:
            await self._take(house, model, part, end)
        elif self.is_in and model.memberships[self.user] == "join":
            assert model.seen(self.user, self.place, end) == []
        self.is_in = model.memberships.get(self.user) == "join"
        if self.is_in:
            assert self.state == model.states[end]
        self.since, self.place = answer["next_batch"], end

    async def _take(self, house: House, model: Model, part: dict[str, Any], end: int) -> None:
        shown = [event["event_id"] for event in part["timeline"]["events"]]
        first = part["timeline"]["prev_batch"]
        back = await pages(house, model.room, self.user, "b", first, self._stop())
        start = self.place if self.is_in else 0
        everything = model.seen(self.user, start, end)
        assert [*reversed(back), *shown] == everything
        if self.is_in:
            gap = await pages(house, model.room, self.user, "f", self.since, first)
            assert [*gap, *shown] == everything
            assert bool(gap) == part["timeline"]["limited"]
        if not self.is_in or not self._stayed(model, end):
            self.state = {}
        key = "state_after" if self.state_after else "state"
        sources = part[key]["events"]
        if not self.state_after:
            sources = sources + part["timeline"]["events"]
        for event in sources:
            if "state_key" in event:
                self.state[event["type"], event["state_key"]] = event["event_id"]

    def _stop(self) -> str | None:
        return self.since if self.is_in else None

    def _stayed(self, model: Model, end: int) -> bool:
        return all(
            one.get(self.user) == "join"
            for one in [*model.membership_before[self.place : end], model.memberships]
        )


async def pages(  # noqa: PLR0917 (of two callers)
    house: House, room: Room, user: str, direction: str, start: str | None, end: str | None
) -> list[str]:
    """Return the IDs of all events between two tokens, a few at a time."""
    found: list[str] = []
    place = start
    while True:
        page = (
            await house.room(user, room, "messages", dir=direction, from_=place, to=end, limit=3)
        ).json
        found += [event["event_id"] for event in page["chunk"]]
        if "end" not in page:
            return found
        place = page["end"]


@pytest.mark.parametrize("seed", range(12))
async def test_syncs_and_pages_make_the_room_whole(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    # Some of them are answered from memory, others have to ask the database.
    settings = SyncApiSettings(recent_events_bytes=chance.choice([1, 20_000, 2**20]))
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db", settings) as house:
        model = Model()
        await house.put(*model.records)
        readers = [
            Reader(user, state_after=state_after)
            for user in (ALICE, BOB, CHARLIE)
            for state_after in (False, True)
        ]
        for _ in range(_STEPS):
            some = [model.happen(chance) for _ in range(chance.randrange(1, 7))]
            await house.put(*some)
            await house.projected()
            for reader in readers:
                if chance.random() < 0.5:
                    await reader.sync(house, model, chance.choice([1, 2, 5, 20]))
