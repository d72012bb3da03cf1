"""Rooms, the nodes of their state and their memberships in the database."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec
import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement, insert_new_into, upsert_into
from components.roomserver.state.snapshots import Node, NodeName, decode_node
from components.roomserver.store.tables import (
    forgotten,
    given_states,
    memberships,
    rooms,
    state_nodes,
)
from components.roomserver.stored import LatestEvent, Room
from internalapi.roomserver import RoomMembership
from matrix.identifiers import EventID, RoomID, UserID

_SELECT_ROOMS: Final = SelectByKeys(
    sa.select(
        rooms.c.room_id,
        rooms.c.version,
        rooms.c.create_event_id,
        rooms.c.state,
        rooms.c.latest,
        rooms.c.last_place,
    ),
    rooms.c.room_id,
)
_UPSERT_ROOM: Final = upsert_into(rooms, "state", "latest", "last_place")
_SELECT_NODES: Final = SelectByKeys(
    sa.select(state_nodes.c.name, state_nodes.c.node), state_nodes.c.name
)
_INSERT_NODE: Final = insert_new_into(state_nodes)
_SELECT_GIVEN: Final = SelectByKeys(
    sa.select(given_states.c.event_id, given_states.c.state, given_states.c.is_complete),
    given_states.c.event_id,
)
_UPSERT_GIVEN: Final = upsert_into(given_states, "state", "is_complete")
_UPSERT_MEMBERSHIP: Final = upsert_into(memberships, "membership", "event_id")
_UPSERT_FORGOTTEN: Final = upsert_into(forgotten, "place")
_SELECT_MEMBERSHIP: Final = Statement(
    sa.select(memberships.c.membership, memberships.c.event_id).where(
        memberships.c.room_id == sa.bindparam("room"),
        memberships.c.user_id == sa.bindparam("user"),
    )
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
            room_id: Room(
                room_id, version, create_event_id, state, _latest_decoder.decode(latest), place
            )
            for room_id, version, create_event_id, state, latest, place in _SELECT_ROOMS.rows(
                self._connection, room_ids
            )
        }

    def upsert_rooms(self, changed: Iterable[Room]) -> None:
        """Store rooms as they are now."""
        _UPSERT_ROOM.run_many_at_end(
            self._connection,
            (
                {
                    "room_id": room.room_id,
                    "version": room.version,
                    "create_event_id": room.create_event_id,
                    "state": room.state,
                    "latest": _latest_encoder.encode(room.latest),
                    "last_place": room.last_place,
                    "is_published": False,
                }
                for room in changed
            ),
        )

    def select_room_ids(self, after: str, limit: int) -> list[RoomID]:
        """Return the first known rooms after this one, ordered by ID."""
        query = (
            sa.select(rooms.c.room_id)
            .where(rooms.c.room_id > after, rooms.c.last_place > 0)
            .order_by(rooms.c.room_id)
            .limit(limit)
        )
        return list(self._connection.execute(query).scalars())

    def select_nodes(self, names: Collection[NodeName]) -> dict[NodeName, Node]:
        """Return nodes of state snapshots."""
        rows = _SELECT_NODES.rows(self._connection, names)
        return {name: decode_node(node) for name, node in rows}

    def insert_nodes(self, encoded: Mapping[NodeName, bytes]) -> None:
        """Store nodes; those that are there already stay."""
        _INSERT_NODE.run_many_at_end(
            self._connection,
            ({"name": name, "node": node} for name, node in encoded.items()),
        )

    def select_given_state(self, event_id: EventID) -> tuple[NodeName, bool] | None:
        """Return the state that was given for an event, and whether it is complete."""
        for _, state, is_complete in _SELECT_GIVEN.rows(self._connection, [event_id]):
            return state, bool(is_complete)
        return None

    def upsert_given_state(self, event_id: EventID, state: NodeName, *, is_complete: bool) -> None:
        """Store what is known so far of the state before an event."""
        values = {"event_id": event_id, "state": state, "is_complete": is_complete}
        _UPSERT_GIVEN.run(self._connection, values)

    def upsert_memberships(self, changed: Iterable[RoomMembership]) -> None:
        """Store where users stand now."""
        _UPSERT_MEMBERSHIP.run_many_at_end(
            self._connection,
            (
                {
                    "room_id": one.room_id,
                    "user_id": one.user_id,
                    "membership": one.membership,
                    "event_id": one.event_id,
                }
                for one in changed
            ),
        )

    def upsert_forgotten(self, room_id: str, user_id: str, place: int) -> None:
        """Note at which place of a room a user forgot it."""
        values = {"room_id": room_id, "user_id": user_id, "place": place}
        _UPSERT_FORGOTTEN.run(self._connection, values)

    def select_forgotten(self, room_id: str, after: int, limit: int) -> list[tuple[int, str]]:
        """Return the first places after this one where users forgot the room, with them."""
        query = (
            sa.select(forgotten.c.place, forgotten.c.user_id)
            .where(forgotten.c.room_id == room_id, forgotten.c.place > after)
            .order_by(forgotten.c.place)
            .limit(limit)
        )
        return [(row.place, row.user_id) for row in self._connection.execute(query)]

    def select_membership(self, room_id: RoomID, user_id: UserID) -> RoomMembership | None:
        """Return where a user stands in a room."""
        values = {"room": room_id, "user": user_id}
        for membership, event_id in _SELECT_MEMBERSHIP.run(self._connection, values):
            return RoomMembership(room_id, user_id, membership, event_id)
        return None

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
