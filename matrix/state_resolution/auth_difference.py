"""The events that are in the auth chains of some states and not of all (auth difference)."""

from collections.abc import Iterable, Mapping
from typing import Final

from matrix.identifiers import EventID
from matrix.state_keys import StateMap
from matrix.state_resolution.source import LoadedEvents


def auth_difference(
    seeds: Mapping[EventID, int], unconflicted: StateMap, all_sets: int, events: LoadedEvents
) -> set[EventID]:
    """Return the auth difference, without the events of the state sets themselves.

    `seeds` are the conflicted events with the sets that hold each, `all_sets` the mask of all.
    The full auth chain of a state counts here as holding the state's own events too, as in the
    servers that rooms are shared with; the specification's words leave those out. So what an
    event of the unconflicted state cites is in every chain, and most walks end there.

    Loads, in this order, and stops as soon as nothing is left in doubt:
    1. the conflicted events and their chains, down to and with unconflicted events and events
       that all sets reach. If these chains hold nothing else, as with most forks, that is all;
    2. the chains of the events at which step 1 ended;
    3. the chains of the unconflicted state, first of those events that hold the same keys as
       the events in doubt. Only if an event is truly in the difference, all of it is loaded.

    Until then the unconflicted state is asked for single keys only.
    """
    walk = _Walk(seeds, unconflicted, all_sets, events)
    walk.follow_partly_reached()
    if walk.in_doubt:
        walk.follow(walk.put_by)
    if walk.in_doubt:
        keys = {(event.type, event.state_key or "") for event in events.known(walk.in_doubt)}
        holders = (unconflicted.get(key) for key in keys)
        walk.follow(event_id for event_id in holders if event_id is not None)
    if walk.in_doubt:
        walk.follow(unconflicted.values())
    return walk.in_doubt


class _Walk:
    """A walk down the auth chains of all sets at once."""

    def __init__(
        self,
        seeds: Mapping[EventID, int],
        unconflicted: StateMap,
        all_sets: int,
        events: LoadedEvents,
    ) -> None:
        self._seeds: Final = seeds
        self._unconflicted: Final = unconflicted
        self._all_sets: Final = all_sets
        self._events: Final = events
        self._reached_by: Final[dict[EventID, int]] = dict(seeds)
        self._followed: Final[set[EventID]] = set()
        self.in_doubt: Final[set[EventID]] = set()
        """Events that only some of the sets have reached so far, the seeds left out."""
        self.put_by: Final[set[EventID]] = set()
        """Events that all sets reach, and whose own auth events were not looked at."""

    def follow_partly_reached(self) -> None:
        """Walk down from the seeds, and put by what all sets reach."""
        frontier = set(self._seeds)
        while frontier:
            self._events.load(frontier)
            reached = self._spread(frontier)
            self.put_by.update(
                event_id for event_id in reached if self._reached_by[event_id] == self._all_sets
            )
            frontier = reached - self.put_by

    def follow(self, starts: Iterable[EventID]) -> None:
        """Walk down from events that all sets reach, until nothing is in doubt any more."""
        frontier = set(starts) - self._followed
        self._reached_by.update(dict.fromkeys(frontier, self._all_sets))
        # An unconflicted event that is not known is told only by this.
        self.in_doubt.difference_update(frontier)
        while frontier and self.in_doubt:
            self._events.load(frontier)
            frontier = self._spread(frontier)

    def _spread(self, sources: Iterable[EventID]) -> set[EventID]:
        """Pass on by whom these events are reached; return what remains to be followed."""
        remaining: set[EventID] = set()
        queue = list(sources)
        citing = self._events.known(queue)
        # Whether they are unconflicted is seen by their keys.
        self._events.load(auth_id for event in citing for auth_id in event.auth_event_ids)
        while queue:
            event_id = queue.pop()
            self._followed.add(event_id)
            event = self._events.get(event_id)
            for auth_id in event.auth_event_ids if event is not None else ():
                if not self._reach(auth_id, self._reached_by[event_id]):
                    continue
                if auth_id in self._followed:
                    queue.append(auth_id)
                else:
                    remaining.add(auth_id)
        return remaining - self._followed

    def _reach(self, event_id: EventID, sets: int) -> bool:
        """Note that these sets reach the event; return whether that is news."""
        before = self._reached_by.get(event_id)
        after = sets if before is None else before | sets
        if self._is_unconflicted(event_id):
            after = self._all_sets
        if after == before:
            return False
        self._reached_by[event_id] = after
        if after == self._all_sets:
            self.in_doubt.discard(event_id)
        elif event_id not in self._seeds:
            self.in_doubt.add(event_id)
        return True

    def _is_unconflicted(self, event_id: EventID) -> bool:
        event = self._events.get(event_id)
        if event is None:
            return False
        return self._unconflicted.get((event.type, event.state_key or "")) == event_id
