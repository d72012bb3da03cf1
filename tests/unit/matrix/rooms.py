"""Rooms for tests of the rules: real events, told as stories on branches of a room's history."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Self

import pytest

from matrix.auth_rules import auth_state_keys, check_auth
from matrix.building import build_event
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import EventID, RoomID
from matrix.room_versions import ROOM_VERSIONS, RoomVersion
from matrix.signing import SigningKey
from matrix.state_keys import CREATE, StateKey

ALICE = "@alice:one.example"
BOB = "@bob:one.example"
CHARLIE = "@charlie:two.example"
MALLORY = "@mallory:two.example"

ALL_VERSIONS = tuple(ROOM_VERSIONS)
_KEY = SigningKey("a", bytes(32))


class _AnyHash(dict[EventID, str]):
    def __missing__(self, event_id: EventID) -> str:
        return "x" * 43


def versions(first: int, last: int = 12) -> tuple[str, ...]:
    """Return the identifiers of the room versions from `first` to `last`."""
    return tuple(str(number) for number in range(first, last + 1))


def refused(event: Event, state: Mapping[StateKey, Event], reason: str) -> None:
    """Expect that the rules refuse the event, and say so in these words."""
    with pytest.raises(AuthRejected, match=reason):
        check_auth(event, state)


class Room:
    """All events of one room; the source of events for state resolution."""

    def __init__(self, version: str, create_content: Mapping[str, Any] | None = None) -> None:
        self.version: RoomVersion = ROOM_VERSIONS[version]
        self.known: dict[EventID, Event] = {}
        self.rejected: set[EventID] = set()
        self.loaded: list[EventID] = []
        self.room_id: RoomID | None = None
        if not self.version.create_event_is_room_id:
            self.room_id = RoomID("!room:one.example")
        content: dict[str, Any] = {"room_version": version}
        if not self.version.creator_is_sender:
            content["creator"] = ALICE
        self.create = self.build(
            "m.room.create", ALICE, {**content, **(create_content or {})}, state_key=""
        )
        self.room_id = self.create.room_id

    def build(
        self,
        event_type: str,
        sender: str,
        content: Mapping[str, Any],
        *,
        state_key: str | None = None,
        prev: Collection[Event] = (),
        auth: Iterable[EventID] = (),
        ts: int | None = None,
        redacts: EventID | None = None,
    ) -> Event:
        """Return a new event; later ones are younger and, along `prev`, deeper."""
        number = len(self.known)
        event = build_event(
            version=self.version,
            room_id=self.room_id,
            type=event_type,
            sender=sender,
            content=content,
            state_key=state_key,
            origin_server_ts=1000 + number if ts is None else ts,
            depth=1 + max((event.depth for event in prev), default=0),
            prev_events=[event.event_id for event in prev],
            auth_events=list(auth),
            server_name=sender.partition(":")[2],
            key=_KEY,
            redacts=redacts,
            event_id_suffix=f"{number:04}",
            reference_hashes=_AnyHash(),
        )
        self.known[event.event_id] = event
        return event

    def events(self, event_ids: Collection[EventID], ahead: int = 0) -> Mapping[EventID, Event]:
        del ahead
        self.loaded.extend(event_ids)
        return {each: self.known[each] for each in event_ids if each in self.known}

    def is_rejected(self, event_id: EventID) -> bool:
        return event_id in self.rejected


class Branch:
    """One branch of a room's history: its last event, and the state after it."""

    def __init__(self, room: Room, state: Mapping[StateKey, Event], head: Event) -> None:
        self.room = room
        self.state = dict(state)
        self.head = head

    @classmethod
    def new(cls, version: str, **create_content: Any) -> Self:
        """Return the history of a room which so far has nothing but its create event."""
        room = Room(version, create_content)
        return cls(room, {CREATE: room.create}, room.create)

    @classmethod
    def with_alice(cls, version: str, **create_content: Any) -> Self:
        """Return the history of a room which alice has created and joined."""
        branch = cls.new(version, **create_content)
        branch.join(ALICE)
        return branch

    @property
    def ids(self) -> dict[StateKey, EventID]:
        return {key: event.event_id for key, event in self.state.items()}

    def fork(self) -> Self:
        return type(self)(self.room, self.state, self.head)

    def draft(
        self,
        sender: str,
        event_type: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        *,
        ts: int | None = None,
        redacts: EventID | None = None,
    ) -> Event:
        """Return an event with the right auth events, which is not part of the branch."""
        keys = auth_state_keys(
            self.room.version, type=event_type, sender=sender, state_key=state_key, content=content
        )
        return self.room.build(
            event_type,
            sender,
            content,
            state_key=state_key,
            prev=[self.head],
            auth=[self.state[key].event_id for key in keys if key in self.state],
            ts=ts,
            redacts=redacts,
        )

    def add(self, event: Event) -> Event:
        """Put the event on the branch unchecked."""
        if event.state_key is not None:
            self.state[event.type, event.state_key] = event
        self.head = event
        return event

    def send(
        self,
        sender: str,
        event_type: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        *,
        ts: int | None = None,
    ) -> Event:
        """Put a new event on the branch, which the rules must allow."""
        event = self.draft(sender, event_type, content, state_key, ts=ts)
        check_auth(event, self.state)
        return self.add(event)

    def member(
        self, sender: str, target: str, membership: str, *, ts: int | None = None, **more: Any
    ) -> Event:
        return self.send(sender, "m.room.member", {"membership": membership, **more}, target, ts=ts)

    def draft_member(self, sender: str, target: str, membership: str, **more: Any) -> Event:
        return self.draft(sender, "m.room.member", {"membership": membership, **more}, target)

    def join(self, user: str, **more: Any) -> Event:
        return self.member(user, user, "join", **more)

    def join_rule(self, rule: str, sender: str = ALICE) -> Event:
        return self.send(sender, "m.room.join_rules", {"join_rule": rule}, "")

    def power_levels(self, sender: str = ALICE, *, ts: int | None = None, **content: Any) -> Event:
        return self.send(sender, "m.room.power_levels", self.with_creator(content), "", ts=ts)

    def draft_power_levels(self, sender: str, **content: Any) -> Event:
        return self.draft(sender, "m.room.power_levels", self.with_creator(content), "")

    def with_creator(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content with alice at level 100 where the creator needs a level."""
        if self.room.version.privileged_creators or "users" not in content:
            return dict(content)
        return {**content, "users": {ALICE: 100, **content["users"]}}

    def topic(self, sender: str, topic: str, *, ts: int | None = None) -> Event:
        return self.send(sender, "m.room.topic", {"topic": topic}, "", ts=ts)

    def open_to(self, *users: str) -> Self:
        """Make the room public, and let these users join."""
        self.join_rule("public")
        for user in users:
            self.join(user)
        return self
