"""State resolution v2 and v2.1 word by word and without thrift: what the real one has to equal."""

import math
from collections.abc import Collection, Sequence

from matrix.auth_rules import check_auth
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.power_levels import power_levels_of
from matrix.state_keys import CREATE, POWER_LEVELS, StateKey, StateMap
from tests.unit.matrix.rooms import Room


class PlainResolution:
    """The definitions of the specification, each as a function.

    Two of them are read as other servers do: the full auth chain of a state (`own_events`) holds
    the state's events too, and power events bring along what they cite inside the full
    conflicted set (`inside_only`).
    """

    def __init__(
        self,
        room: Room,
        state_sets: Sequence[StateMap],
        *,
        own_events: bool = True,
        inside_only: bool = True,
    ) -> None:
        self.room = room
        self.sets = state_sets
        self.own_events = own_events
        self.inside_only = inside_only
        self.keys = {key for each in state_sets for key in each}
        self.unconflicted = {
            key: state_sets[0][key]
            for key in self.keys
            if all(key in each and each[key] == state_sets[0].get(key) for each in state_sets)
        }
        self.conflicted = {
            each[key] for each in state_sets for key in each if key not in self.unconflicted
        }

    def event(self, event_id: EventID) -> Event:
        return self.room.known[event_id]

    def auth_chain(self, event_id: EventID) -> set[EventID]:
        chain: set[EventID] = set()
        for auth_id in self.event(event_id).auth_event_ids:
            chain |= {auth_id} | self.auth_chain(auth_id)
        return chain

    def auth_difference(self) -> set[EventID]:
        chains: list[set[EventID]] = []
        for each in self.sets:
            chain = set(each.values()) if self.own_events else set()
            for event_id in each.values():
                chain |= self.auth_chain(event_id)
            chains.append(chain)
        return set[EventID]().union(*chains) - chains[0].intersection(*chains)

    def subgraph(self) -> set[EventID]:
        below = {event_id: self.auth_chain(event_id) for event_id in self.room.known}
        return {
            event_id
            for event_id in self.room.known
            if any(event_id == top or event_id in below[top] for top in self.conflicted)
            and any(event_id == end or end in below[event_id] for end in self.conflicted)
        }

    def full_conflicted_set(self) -> set[EventID]:
        full = self.conflicted | self.auth_difference()
        if self.room.version.identifier == "12":
            full |= self.subgraph()
        return full

    def with_citations(self, full: set[EventID]) -> set[EventID]:
        chosen = {event_id for event_id in full if self.is_power_event(self.event(event_id))}
        if not self.inside_only:
            return chosen.union(*(self.auth_chain(each) & full for each in chosen))
        grown = True
        while grown:
            cited = {a for each in chosen for a in self.event(each).auth_event_ids} & full
            grown = not cited <= chosen
            chosen |= cited
        return chosen

    def is_power_event(self, event: Event) -> bool:
        if event.type in {"m.room.power_levels", "m.room.join_rules"}:
            return True
        away = event.content.get("membership") in {"leave", "ban"}
        return event.type == "m.room.member" and away and event.sender != event.state_key

    def power(self, event: Event) -> float:
        cited = [self.event(each) for each in event.auth_event_ids]
        levels = [each for each in cited if (each.type, each.state_key) == POWER_LEVELS]
        return power_levels_of(levels[0] if levels else None, self.room.create).user(event.sender)

    def by_power(self, event_ids: Collection[EventID]) -> list[Event]:
        left = {event_id: self.event(event_id) for event_id in event_ids}
        ordered = []
        while left:
            free = [e for e in left.values() if not any(a in left for a in e.auth_event_ids)]
            first = min(free, key=lambda e: (-self.power(e), e.origin_server_ts, e.event_id))
            ordered.append(left.pop(first.event_id))
        return ordered

    def power_levels_below(self, event: Event) -> list[EventID]:
        for auth_id in event.auth_event_ids:
            cited = self.event(auth_id)
            if (cited.type, cited.state_key) == POWER_LEVELS:
                return [auth_id, *self.power_levels_below(cited)]
        return []

    def by_mainline(
        self, event_ids: Collection[EventID], power_levels: EventID | None
    ) -> list[Event]:
        mainline: list[EventID] = []
        if power_levels is not None:
            mainline = [power_levels, *self.power_levels_below(self.event(power_levels))]

        def position(event: Event) -> float:
            found = [each for each in self.power_levels_below(event) if each in mainline]
            return mainline.index(found[0]) if found else math.inf

        events = [self.event(event_id) for event_id in event_ids]
        return sorted(events, key=lambda e: (-position(e), e.origin_server_ts, e.event_id))

    def apply(self, ordered: Sequence[Event], state: dict[StateKey, EventID]) -> None:
        for event in ordered:
            cited = [self.event(each) for each in event.auth_event_ids]
            seen = {
                (each.type, each.state_key or ""): each
                for each in cited
                if each.event_id not in self.room.rejected
            }
            seen.setdefault(CREATE, self.room.create)
            seen.update({key: self.event(each) for key, each in state.items()})
            try:
                check_auth(event, seen)
            except AuthRejected:
                continue
            state[event.type, event.state_key or ""] = event.event_id

    def resolve(self) -> dict[StateKey, EventID]:
        full = self.full_conflicted_set()
        power_events = self.with_citations(full)
        is_v2_1 = self.room.version.identifier == "12"
        state = {} if is_v2_1 else dict(self.unconflicted)
        self.apply(self.by_power(power_events), state)
        self.apply(self.by_mainline(full - power_events, state.get(POWER_LEVELS)), state)
        state.update(self.unconflicted)
        return state
