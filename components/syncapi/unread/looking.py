"""One look at one event: whether it counts among what a user has not read."""

from collections.abc import Callable
from typing import Protocol

import orjson

from base.database import Connection
from components.syncapi.store.state import select_entry_now
from components.syncapi.store.state_at import select_entry_at
from components.syncapi.unread_count import MAIN, UnreadCount
from matrix.errors import MatrixError
from matrix.identifiers import UserID
from matrix.power_levels import PowerLevels, creators_by
from matrix.push_rules.classes import QUIET, is_quiet
from matrix.push_rules.conditions import Circumstances
from matrix.push_rules.properties import PushEvent
from matrix.room_versions import room_version


class Seen(Protocol):
    """An event as counting sees it, from memory or as it is stored."""

    @property
    def room_id(self) -> str:
        """Its room."""

    @property
    def order(self) -> int:
        """Its place in the room's timeline."""

    @property
    def event_id(self) -> str:
        """Its ID."""

    @property
    def sender(self) -> str:
        """Who sent it."""

    @property
    def push_class(self) -> int:
        """What it is to the predefined push rules."""

    @property
    def thread_root(self) -> str | None:
        """Of the thread that it is in."""

    @property
    def json(self) -> bytes | None:
        """Client form, at least where the class does not tell enough."""


Parse = Callable[[Seen], PushEvent]
MayNotify = Callable[[Seen, str], bool]
"""Whether the sender might notify in this way when they sent the event."""


def look_at(
    unread_count: UnreadCount, user_id: str, event: Seen, *, parse: Parse, may_notify: MayNotify
) -> None:
    """Take an event after the last one into the count."""
    rules = unread_count.basis.rules
    push_class = event.push_class
    if push_class == QUIET and rules.is_by_class:
        return
    thread = event.thread_root or MAIN
    if event.sender == user_id:
        # Who writes has read what was there: of the thread that they write in.
        if not is_quiet(push_class):
            unread_count.mark_read(thread, event.order)
        unread_count.pass_by()
        return
    if (
        push_class < QUIET
        or event.sender in unread_count.basis.ignored
        or unread_count.is_read(thread, event.order)
    ):
        unread_count.pass_by()
        return
    verdict = rules.plain_verdict(push_class)
    if verdict is None:
        about = Circumstances(unread_count.name, 0, lambda kind: may_notify(event, kind))
        verdict = rules.evaluate(parse(event), about)
    if verdict.notify:
        unread_count.add(thread, event.order, highlight=verdict.highlight)
    else:
        unread_count.pass_by()


def push_event(event: Seen) -> PushEvent:
    """Return an event as push rules look at it."""
    if event.json is None:
        raise ValueError(f"{event.event_id} was read without its JSON.")
    parsed = orjson.loads(event.json)
    parsed["room_id"] = event.room_id
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
