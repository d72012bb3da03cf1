"""Whose list of devices a client has to ask for, and whose not any more, between two positions.

Client-server API, "Tracking the device list for a user".
"""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import orjson

from base.database import Connection
from components.syncapi.changes import Membership
from components.syncapi.position import Offsets
from components.syncapi.rooms.sharing import (
    Between,
    Sharing,
    reader_rooms,
    select_reader_rooms,
    select_sharing,
)
from components.syncapi.store.key_changes import select_key_changes
from components.syncapi.store.sharing import select_all_who_share


class ChangedKeys(NamedTuple):
    """Whose keys changed."""

    of_all: AbstractSet[str]
    """Of them everybody hears who shares a room with them, and they themselves."""
    of_reader: AbstractSet[str]
    """Of them the reader hears, who has signed their keys."""


class DeviceLists(NamedTuple):
    """What an answer tells of lists of devices."""

    changed: AbstractSet[str]
    left: AbstractSet[str]

    def render(self) -> bytes:
        """Return the object of the specification."""
        return orjson.dumps({"changed": sorted(self.changed), "left": sorted(self.left)})


class ListsQuery(NamedTuple):
    """What the database is asked for."""

    reader_id: str
    between: Between
    starts: Offsets
    """Of OutputKeyChange."""
    ends: Offsets
    memberships: Mapping[str, Membership] | None = None
    """Where the reader stands at the end or later; None where only the database knows."""
    moved_rooms: Collection[str] | None = None
    """Rooms where somebody moved; None where only the database knows."""
    changed: ChangedKeys | None = None
    """None where only the database knows."""


def lists_of(reader_id: str, changed: ChangedKeys, sharing: Sharing) -> DeviceLists:
    """Return what is told: `sharing` was asked about those whose keys changed."""
    own = changed.of_all & {reader_id}
    return DeviceLists(
        own | sharing.come | sharing.among | (changed.of_reader - sharing.gone), sharing.gone
    )


def read_lists(connection: Connection, query: ListsQuery) -> DeviceLists:
    """Return what changed between the positions."""
    reader_id = query.reader_id
    changed = query.changed
    if changed is None:
        found = select_key_changes(connection, reader_id, query.starts, query.ends)
        changed = ChangedKeys(*found)
    if query.memberships is None:
        rooms = select_reader_rooms(connection, reader_id, query.between)
    else:
        rooms = reader_rooms(connection, reader_id, query.memberships, query.between)
    others = changed.of_all - {reader_id}
    sharing = select_sharing(connection, reader_id, rooms, query.moved_rooms, others)
    return lists_of(reader_id, changed, sharing)


def read_all_lists(connection: Connection, reader_id: str) -> DeviceLists:
    """Return that all have changed: for a client that knows some from nobody knows when."""
    return DeviceLists(select_all_who_share(connection, reader_id) | {reader_id}, frozenset())
