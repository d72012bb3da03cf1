"""What of the histories is in a copy of the tables that is being made, and what settles it."""

from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from base.database import Connection, insert
from components.syncapi.changes import MembershipChange
from components.syncapi.store.erasures import forget_places
from components.syncapi.store.membership import select_membership, upsert_memberships
from components.syncapi.store.tables import INVITES, MEMBERSHIPS, REBUILT_ROOMS

_AFTER_HISTORY: Final = -1
"""The order of invites from other servers: after all that is rebuilt, before all that comes."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """What of the history is in the tables."""

    stage: int = 0
    place: list[str] = []
    """Up to where in this stage, as whoever keeps the history understands it; for rooms the room.
    """
    room_place: int | None = None
    """Up to where in the room; `None` for all of it."""
    covered: int = 0
    """Records of the room before this offset are among its history."""
    order: int = 0
    """How many records of this room, or of other stages, there were."""
    rooms: int = 0
    """Rooms that are whole."""


class PendingInvite(msgspec.Struct, frozen=True):
    """An invite into a room that this server is not in."""

    user_id: str
    room_id: str
    event_id: str
    invite_state: bytes


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
    """Return by room before which offset its records are covered by its history."""
    rows = connection.execute(sa.select(REBUILT_ROOMS.c.room_id, REBUILT_ROOMS.c.covered_upto))
    return {room_id: upto for room_id, upto in rows}  # noqa: C416 (a row is no pair)


def select_pending_invites(connection: Connection) -> list[PendingInvite]:
    """Return the invites from other servers that stand in the tables that serve."""
    rows = connection.execute(
        sa.select(*INVITES.c).join(
            MEMBERSHIPS,
            sa.and_(
                MEMBERSHIPS.c.user_id == INVITES.c.user_id,
                MEMBERSHIPS.c.room_id == INVITES.c.room_id,
                MEMBERSHIPS.c.event_id == INVITES.c.event_id,
                MEMBERSHIPS.c.membership == "invite",
            ),
        )
    )
    return [PendingInvite(*row) for row in rows]


def insert_pending_invites(connection: Connection, invites: Sequence[PendingInvite]) -> None:
    """Keep invites from other servers until all rooms are there."""
    if invites:
        connection.execute(sa.insert(INVITES), [msgspec.structs.asdict(one) for one in invites])


def settle_history(connection: Connection) -> None:
    """Finish what depends on several histories, once all are there."""
    _settle_invites(connection)
    forget_places(connection)


def _settle_invites(connection: Connection) -> None:
    """Let those be invited whom rooms of other servers invite, unless they have joined."""
    changes: list[MembershipChange] = []
    columns = (INVITES.c.user_id, INVITES.c.room_id, INVITES.c.event_id)
    for user_id, room_id, event_id in connection.execute(sa.select(*columns)).all():
        now = select_membership(connection, user_id, room_id)
        if now is None or now.membership != "join":
            changes.append(MembershipChange(user_id, room_id, _AFTER_HISTORY, event_id, "invite"))
    upsert_memberships(connection, changes)
