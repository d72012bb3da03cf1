"""Rebuilds: how far the newest one is, what is emptied for it, and what each room begins with."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec
import sqlalchemy as sa

from base.database import insert
from components.syncapi.changes import MembershipChange
from components.syncapi.store.erasures import forget_places
from components.syncapi.store.membership import upsert_memberships
from components.syncapi.store.tables import (
    CURRENT_STATE,
    EVENTS,
    INVITES,
    MEMBERSHIP_CHANGES,
    MEMBERSHIPS,
    REBUILDS,
    REBUILT_ROOMS,
    STATE_CHANGES,
    Connection,
)

BEGUN: Final = "begun"
"""Processes that serve have to notice, and stop."""
EMPTIED: Final = "emptied"
"""Rooms come back one after another."""
DONE: Final = "done"

_OF_ROOMS: Final = (EVENTS, STATE_CHANGES, CURRENT_STATE, MEMBERSHIPS, MEMBERSHIP_CHANGES)
_AFTER_HISTORY: Final = -1
"""The order of invites from afar: after all that is rebuilt, before all that comes."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(dict[int, int]).decode


class StoredRebuild(msgspec.Struct, frozen=True):
    """A rebuild, under way or done."""

    number: int
    stage: str
    reached: str
    """Rooms up to this one, ordered by ID, are there again."""
    offsets: dict[int, int]
    """By partition where the consumer goes on."""


def select_rebuild(connection: Connection) -> StoredRebuild | None:
    """Return the newest rebuild, if there ever was one."""
    row = connection.execute(
        sa.select(*REBUILDS.c).order_by(REBUILDS.c.number.desc()).limit(1)
    ).first()
    return None if row is None else StoredRebuild(row[0], row[1], row[2], _decode(row[3]))


def insert_rebuild(connection: Connection, number: int, offsets: Mapping[int, int]) -> None:
    """Begin a rebuild."""
    connection.execute(
        sa.insert(REBUILDS).values(
            number=number, stage=BEGUN, reached="", offsets=_encode(dict(offsets))
        )
    )


def update_stage(connection: Connection, number: int, stage: str) -> None:
    """Let a rebuild enter its next stage."""
    connection.execute(sa.update(REBUILDS).where(REBUILDS.c.number == number).values(stage=stage))


def update_reached(connection: Connection, number: int, room_id: str) -> None:
    """Note that a room is there again."""
    connection.execute(
        sa.update(REBUILDS).where(REBUILDS.c.number == number).values(reached=room_id)
    )


def delete_rooms(connection: Connection) -> None:
    """Empty the tables of rooms; of invites keep those from afar that still stand."""
    is_pending = sa.exists().where(
        MEMBERSHIPS.c.user_id == INVITES.c.user_id,
        MEMBERSHIPS.c.room_id == INVITES.c.room_id,
        MEMBERSHIPS.c.event_id == INVITES.c.event_id,
        MEMBERSHIPS.c.membership == "invite",
    )
    connection.execute(sa.delete(INVITES).where(~is_pending))
    for table in (*_OF_ROOMS, REBUILT_ROOMS):
        connection.execute(sa.delete(table))
    forget_places(connection)


def delete_room(connection: Connection, room_id: str) -> None:
    """Delete what was written of a room before its rebuild was interrupted."""
    for table in _OF_ROOMS:
        connection.execute(sa.delete(table).where(table.c.room_id == room_id))


def upsert_covered(connection: Connection, room_id: str, upto: int) -> None:
    """Note that a room was rebuilt from what its records before this offset tell."""
    connection.execute(
        insert(connection, REBUILT_ROOMS)
        .values(room_id=room_id, covered_upto=upto)
        .on_conflict_do_update(
            index_elements=[REBUILT_ROOMS.c.room_id], set_={"covered_upto": upto}
        )
    )


def select_covered(connection: Connection) -> dict[str, int]:
    """Return by room before which offset its records are covered by its rebuild."""
    rows = connection.execute(sa.select(REBUILT_ROOMS.c.room_id, REBUILT_ROOMS.c.covered_upto))
    return {room_id: upto for room_id, upto in rows}  # noqa: C416 (a row is no pair)


def restore_invites(connection: Connection) -> None:
    """Let those be invited again whom rooms of other servers invite."""
    rows: Collection[tuple[str, str, str]] = [
        (row[0], row[1], row[2])
        for row in connection.execute(
            sa.select(INVITES.c.user_id, INVITES.c.room_id, INVITES.c.event_id)
        )
    ]
    upsert_memberships(
        connection,
        [
            MembershipChange(user_id, room_id, _AFTER_HISTORY, event_id, "invite")
            for user_id, room_id, event_id in rows
        ],
    )
