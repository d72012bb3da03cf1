"""Joining restricted rooms: whether a condition is met, and who lets the user in."""

from typing import Any

from internalapi.roomserver import RoomQueries
from matrix.errors import Forbidden
from matrix.identifiers import RoomID, ServerName, UserID
from matrix.power_levels import PowerLevels
from matrix.room_versions import RoomVersion
from matrix.state_keys import JOIN_RULES, member_key
from roomwriting.current_state import State, field_of, levels_of, membership_of
from roomwriting.sending import EventSender


def is_restricted(version: RoomVersion, join_rule: Any) -> bool:
    """Return whether members of other rooms can join under this join rule."""
    return (version.restricted_join and join_rule == "restricted") or (
        version.knock_restricted and join_rule == "knock_restricted"
    )


class RestrictedJoins:
    """Checks the conditions of restricted rooms (client-server API, "Restricted rooms")."""

    def __init__(self, sender: EventSender, rooms: RoomQueries, server_name: ServerName) -> None:
        self._sender = sender
        self._rooms = rooms
        self._server_name = server_name

    async def authoriser(self, room_id: RoomID, state: State, user_id: UserID) -> UserID:
        """Return the local user in whose name the join is allowed, or raise `Forbidden`.

        `state` holds the create event, the power levels and the join rules.
        """
        allowed = _allowed_rooms(field_of(state, JOIN_RULES, "allow"))
        joined = await self._rooms.query_rooms_of_user(user_id=user_id, memberships=["join"])
        if allowed.isdisjoint(one.room_id for one in joined):
            raise Forbidden("You are not in any of the rooms whose members can join this one.")
        authoriser = await self._member_with_invite_power(room_id, levels_of(state))
        if authoriser is None:
            raise Forbidden("No user of this server is in the room and may invite you.")
        return authoriser

    async def _member_with_invite_power(
        self, room_id: RoomID, levels: PowerLevels
    ) -> UserID | None:
        named = [
            UserID(one)
            for one in (*sorted(levels.creators), *levels.users)
            if levels.user(one) >= levels.invite and self._is_local(one)
        ]
        state = await self._sender.state(room_id, [member_key(one) for one in named])
        for one in named:
            if membership_of(state, one) == "join":
                return one
        if levels.users_default < levels.invite:
            return None
        members = await self._rooms.query_members(room_id=room_id, membership="join")
        can_invite = (
            one for one in members if self._is_local(one) and levels.user(one) >= levels.invite
        )
        return next(can_invite, None)

    def _is_local(self, user_id: str) -> bool:
        return user_id.partition(":")[2] == self._server_name


def _allowed_rooms(allow: Any) -> set[str]:
    if not isinstance(allow, list):
        return set()
    return {
        room_id
        for one in allow
        if isinstance(one, dict)
        and one.get("type") == "m.room_membership"
        and isinstance(room_id := one.get("room_id"), str)
    }
