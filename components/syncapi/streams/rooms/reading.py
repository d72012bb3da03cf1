"""What an answer needs of the database: the parts of rooms, in one snapshot."""

from collections.abc import Sequence
from typing import Final

from base.database import Connection, paced
from components.syncapi.store.events import select_changed_rooms
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.choosing import shown
from components.syncapi.streams.rooms.sections import SectionReader
from components.syncapi.streams.rooms.stripped import is_ignored_invite, select_stripped_state
from components.syncapi.streams.rooms.tasks import RoomTask, Section
from components.syncapi.tokens import SyncTokens

_AT_ONCE: Final = 50
"""Rooms whose state is held in memory at once."""


def read_sections(
    connection: Connection,
    *,
    request: SyncRequest,
    tasks: Sequence[RoomTask],
    unsure: Sequence[RoomTask],
    tokens: SyncTokens,
) -> list[tuple[RoomTask, Section]]:
    """Return the parts of the rooms that have something to tell.

    The tasks of `unsure` count only where their rooms have new events.
    """
    reader = SectionReader(connection, request, tokens)
    found: list[tuple[RoomTask, Section]] = []
    needed = [*shown(connection, request, tasks), *_changed(connection, unsure)]
    for start in range(0, len(needed), _AT_ONCE):
        chunk = needed[start : start + _AT_ONCE]
        beginnings = [task.room_id for task in chunk if _needs_state(task, request)]
        if len(beginnings) > 1:
            reader.prepare(beginnings)
        for task in paced(connection, chunk):
            section = _section(connection, request, reader, task)
            if section is not None:
                found.append((task, section))
    return found


def _needs_state(task: RoomTask, request: SyncRequest) -> bool:
    return task.now.membership == "join" and (task.begins or request.full_state)


def _section(
    connection: Connection, request: SyncRequest, reader: SectionReader, task: RoomTask
) -> Section | None:
    match task.now.membership:
        case "join":
            return reader.joined(task)
        case "invite" | "knock" as membership:
            stripped = select_stripped_state(connection, request.user_id, task.room_id, task.now)
            if membership == "invite" and is_ignored_invite(stripped, request):
                return None
            name = membership.encode()
            return Section(b'{"%b_state":{"events":%b}}' % (name, stripped))
        case _:
            return reader.left(task)


def _changed(connection: Connection, unsure: Sequence[RoomTask]) -> list[RoomTask]:
    since = {task.room_id: task.since or 0 for task in unsure}
    changed = select_changed_rooms(connection, since)
    return [task for task in unsure if task.room_id in changed]
