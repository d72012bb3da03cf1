"""The events on auth chain paths between conflicted events (conflicted state subgraph)."""

from collections.abc import Collection

from matrix.identifiers import EventID
from matrix.state_resolution.source import CITED_TYPES, LoadedEvents


def conflicted_subgraph(conflicted: Collection[EventID], events: LoadedEvents) -> set[EventID]:
    """Return the events that lie on paths of `auth_events` from one conflicted event to another.

    The conflicted events themselves are left out; they are in the full conflicted set anyway.

    A path can lead through events on which all sets agree. Thus the whole auth chain of the
    conflicted events is loaded, once; nothing beyond the conflicted events if none of them is
    of a type that `auth_events` cite, for then nothing can lead to one.
    """
    events.load(conflicted)
    targets = [event.event_id for event in events.known(conflicted) if event.type in CITED_TYPES]
    if not targets:
        return set()
    cited_by = _citations_below(conflicted, events)
    above: set[EventID] = set()
    pending = targets
    while pending:
        for citing in cited_by.get(pending.pop(), ()):
            if citing not in above:
                above.add(citing)
                pending.append(citing)
    return above.difference(conflicted)


def _citations_below(
    starts: Collection[EventID], events: LoadedEvents
) -> dict[EventID, list[EventID]]:
    """Return, for each event in the auth chains of `starts`, which events there cite it."""
    cited_by: dict[EventID, list[EventID]] = {}
    seen = set(starts)
    frontier = list(starts)
    while frontier:
        events.load(frontier)
        below: list[EventID] = []
        for event in events.known(frontier):
            for auth_id in event.auth_event_ids:
                cited_by.setdefault(auth_id, []).append(event.event_id)
                if auth_id not in seen:
                    seen.add(auth_id)
                    below.append(auth_id)
        frontier = below
    return cited_by
