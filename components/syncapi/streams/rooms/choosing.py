"""Which rooms an answer leaves out: forgotten ones, and those whose invites are blocked."""

from collections.abc import Sequence
from typing import Final

from base.database import Connection
from components.syncapi.store.account_data import select_account_datum
from components.syncapi.store.forgotten import select_forgotten_rooms
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.tasks import RoomTask
from matrix.canonical import decode_json
from matrix.invite_permission import INVITE_PERMISSION, blocks_invites

_PRESENT: Final = frozenset({"join", "invite", "knock"})
"""Memberships of rooms that cannot be forgotten."""


def shown(
    connection: Connection, request: SyncRequest, tasks: Sequence[RoomTask]
) -> Sequence[RoomTask]:
    """Return the rooms that the user wants to hear of.

    A device that has yet to hear that its user left hears it all the same, forgotten or not: it
    would go on showing the room.
    """
    memberships = {task.now.membership for task in tasks}
    if "invite" in memberships and _blocks_invites(connection, request.user_id):
        tasks = [task for task in tasks if task.now.membership != "invite"]
    if request.since is not None or memberships <= _PRESENT:
        return tasks
    forgotten = select_forgotten_rooms(connection, request.user_id)
    return [
        task for task in tasks if task.now.membership in _PRESENT or task.room_id not in forgotten
    ]


def _blocks_invites(connection: Connection, user_id: str) -> bool:
    content = select_account_datum(connection, user_id, INVITE_PERMISSION)
    decoded = None if content is None else decode_json(content)
    return isinstance(decoded, dict) and blocks_invites(decoded)
