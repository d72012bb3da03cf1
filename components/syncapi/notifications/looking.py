"""One look at one event: whether it counts among what a user has not read."""

from collections.abc import Callable
from typing import NamedTuple

import orjson

from components.syncapi.notifications.tally import MAIN, Tally
from components.syncapi.store.state import select_entry_now
from components.syncapi.store.state_at import select_entry_at
from components.syncapi.store.tables import Connection
from matrix.errors import MatrixError
from matrix.identifiers import UserID
from matrix.power_levels import PowerLevels, creators_by
from matrix.push_rules.classes import QUIET, is_quiet
from matrix.push_rules.conditions import Circumstances
from matrix.push_rules.properties import PushEvent
from matrix.room_versions import room_version


class Seen(NamedTuple):
    """An event as counting sees it."""

    room_id: str
    order: int
    event_id: str
    sender: str
    push_class: int
    thread_root: str | None


Parse = Callable[[Seen], PushEvent]
MayNotify = Callable[[Seen, str], bool]
"""Whether the sender might notify in this way when they sent the event."""


def look_at(
    tally: Tally, user_id: str, event: Seen, *, parse: Parse, may_notify: MayNotify
) -> None:
    """Take an event after the last one into the count."""
    rules = tally.basis.rules
    push_class = event.push_class
    if push_class == QUIET and rules.is_by_class:
        return
    thread = event.thread_root or MAIN
    if event.sender == user_id:
        # Who writes has read what was there: of the thread that they write in.
        if not is_quiet(push_class):
            tally.mark_read(thread, event.order)
        tally.pass_by()
        return
    if (
        push_class < QUIET
        or event.sender in tally.basis.ignored
        or tally.is_read(thread, event.order)
    ):
        tally.pass_by()
        return
    verdict = rules.plain_verdict(push_class)
    if verdict is None:
        about = Circumstances(tally.name, 0, lambda kind: may_notify(event, kind))
        verdict = rules.evaluate(parse(event), about)
    if verdict.notify:
        tally.add(thread, event.order, highlight=verdict.highlight)
    else:
        tally.pass_by()


def push_event(room_id: str, json: bytes) -> PushEvent:
    """Return a stored event as push rules look at it."""
    parsed = orjson.loads(json)
    parsed["room_id"] = room_id
    return PushEvent(parsed)


def sender_might_notify(connection: Connection, event: Seen, kind: str) -> bool:
    """Whether power levels let the sender notify in this way when they sent the event."""
    create = select_entry_now(connection, event.room_id, "m.room.create", "")
    if create is None:
        return False
    created = orjson.loads(create.json)["content"]
    try:
        version = room_version(created.get("room_version", "1"))
    except MatrixError:
        return False
    levels = select_entry_at(connection, event.room_id, event.order, "m.room.power_levels", "")
    content = None if levels is None else orjson.loads(levels.json)["content"]
    creators = creators_by(UserID(create.sender), created, version)
    found = PowerLevels.of(content, version, creators)
    return found.user(event.sender) >= found.notification(kind)
