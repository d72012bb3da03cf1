"""Rooms, the nodes of their state and their memberships in the database."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import insert
from components.roomserver.state.snapshots import Node, NodeName, decode_node
from components.roomserver.store.events import MAX_KEYS_AT_ONCE, chunks
from components.roomserver.store.tables import given_states, memberships, rooms, state_nodes
from components.roomserver.stored import LatestEvent, Room
from internalapi.roomserver import RoomMembership
from matrix.identifiers import EventID, RoomID, UserID

_SELECT_ROOMS: Final = sa.select(
    rooms.c.room_id, rooms.c.version, rooms.c.create_event_id, rooms.c.state, rooms.c.latest
).where(rooms.c.room_id.in_(sa.bindparam("room_ids", expanding=True)))
_SELECT_NODES: Final = sa.select(state_nodes.c.name, state_nodes.c.node).where(
    state_nodes.c.name.in_(sa.bindparam("names", expanding=True))
)
_SELECT_MEMBERSHIP: Final = sa.select(memberships.c.membership, memberships.c.event_id).where(
    memberships.c.room_id == sa.bindparam("room"), memberships.c.user_id == sa.bindparam("user")
)
_latest_encoder: Final = msgspec.msgpack.Encoder()
_latest_decoder: Final = msgspec.msgpack.Decoder(tuple[LatestEvent, ...])


class RoomStore:
    """Queries over rooms in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def select_rooms(self, room_ids: Collection[str]) -> dict[str, Room]:
        """Return those of the rooms that are known."""
        return {
            row.room_id: Room(
                row.room_id,
                row.version,
                row.create_event_id,
                row.state,
                _latest_decoder.decode(row.latest),
            )
            for some in chunks(room_ids)
            for row in self._connection.execute(_SELECT_ROOMS, {"room_ids": some})
        }

    def upsert_rooms(self, changed: Collection[Room]) -> None:
        """Store rooms as they are now."""
        if not changed:
            return
        statement = insert(self._connection, rooms)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["room_id"],
                set_={"state": statement.excluded.state, "latest": statement.excluded.latest},
            ),
            [
                {
                    "room_id": room.room_id,
                    "version": room.version,
                    "create_event_id": room.create_event_id,
                    "state": room.state,
                    "latest": _latest_encoder.encode(room.latest),
                    "is_published": False,
                }
                for room in changed
            ],
        )

    def select_nodes(self, names: Collection[NodeName]) -> dict[NodeName, Node]:
        """Return nodes of state snapshots."""
        found: dict[NodeName, Node] = {}
        ordered = list(names)
        for start in range(0, len(ordered), MAX_KEYS_AT_ONCE):
            some = ordered[start : start + MAX_KEYS_AT_ONCE]
            for name, node in self._connection.execute(_SELECT_NODES, {"names": some}):
                found[name] = decode_node(node)
        return found

    def insert_nodes(self, encoded: Mapping[NodeName, bytes]) -> None:
        """Store nodes; those that are there already stay."""
        if encoded:
            self._connection.execute(
                insert(self._connection, state_nodes).on_conflict_do_nothing(),
                [{"name": name, "node": node} for name, node in encoded.items()],
            )

    def select_given_states(
        self, event_ids: Collection[EventID]
    ) -> dict[EventID, tuple[NodeName, bool]]:
        """Return the states that were given for events, and whether they are complete."""
        query = sa.select(given_states)
        return {
            EventID(row.event_id): (row.state, row.is_complete)
            for some in chunks(event_ids)
            for row in self._connection.execute(query.where(given_states.c.event_id.in_(some)))
        }

    def upsert_given_state(self, event_id: EventID, state: NodeName, *, is_complete: bool) -> None:
        """Store what is known so far of the state before an event."""
        statement = insert(self._connection, given_states)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["event_id"],
                set_={
                    "state": statement.excluded.state,
                    "is_complete": statement.excluded.is_complete,
                },
            ),
            {"event_id": event_id, "state": state, "is_complete": is_complete},
        )

    def upsert_memberships(self, changed: Iterable[RoomMembership]) -> None:
        """Store where users stand now."""
        rows: list[dict[str, Any]] = [
            {
                "room_id": one.room_id,
                "user_id": one.user_id,
                "membership": one.membership,
                "event_id": one.event_id,
            }
            for one in changed
        ]
        if not rows:
            return
        statement = insert(self._connection, memberships)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["room_id", "user_id"],
                set_={
                    "membership": statement.excluded.membership,
                    "event_id": statement.excluded.event_id,
                },
            ),
            rows,
        )

    def select_membership(self, room_id: RoomID, user_id: UserID) -> RoomMembership | None:
        """Return where a user stands in a room."""
        row = self._connection.execute(
            _SELECT_MEMBERSHIP, {"room": room_id, "user": user_id}
        ).first()
        return row and RoomMembership(room_id, user_id, row.membership, EventID(row.event_id))

    def select_rooms_of_user(
        self, user_id: UserID, wanted: Collection[str]
    ) -> list[RoomMembership]:
        """Return the user's rooms with one of these memberships, ordered by room ID."""
        query = (
            sa.select(memberships.c.room_id, memberships.c.membership, memberships.c.event_id)
            .where(memberships.c.user_id == user_id, memberships.c.membership.in_(wanted))
            .order_by(memberships.c.room_id)
        )
        return [
            RoomMembership(RoomID(row.room_id), user_id, row.membership, EventID(row.event_id))
            for row in self._connection.execute(query)
        ]

    def select_members(self, room_id: RoomID, membership: str) -> list[UserID]:
        """Return the users with this membership, ordered by user ID."""
        query = (
            sa.select(memberships.c.user_id)
            .where(memberships.c.room_id == room_id, memberships.c.membership == membership)
            .order_by(memberships.c.user_id)
        )
        return [UserID(row.user_id) for row in self._connection.execute(query)]
