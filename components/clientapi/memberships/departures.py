"""Taking users out of all their rooms."""

import logging
from typing import Final

from base.at_once import for_each
from base.database import DatabaseOutage
from internalapi.roomserver import RoomQueries
from logs.log import LogOutage
from matrix.errors import InvalidParam, LimitExceeded, MatrixError, Unavailable
from matrix.identifiers import RoomID, ServerName, UserID, server_of
from roomwriting.leaving import LEFT, leave_room
from roomwriting.sending import EventSender

_log: Final = logging.getLogger(__name__)

_ROOMS_AT_ONCE: Final = 10
_PASSES: Final = 2
_LATER: Final = (Unavailable, LimitExceeded, LogOutage, DatabaseOutage)
"""What says that the same attempt may succeed later."""


class DepartureService:
    """Leaves rooms in the name of local users; what other components reach as `Departures`."""

    def __init__(self, sender: EventSender, rooms: RoomQueries, server_name: ServerName) -> None:
        self._sender = sender
        self._rooms = rooms
        self._server_name = server_name

    async def perform_leave_all(self, *, user_id: UserID) -> None:
        """Leave all rooms, reject all invites and retract all knocks of a local user.

        A repeat after a part was done does the rest. Raises `Unavailable` when it has to be
        repeated later, and `InvalidParam` for a user of another server; a room that cannot be
        left is passed over.
        """
        if server_of(user_id) != self._server_name:
            raise InvalidParam(f"{user_id} is not of this server.")
        # The second pass finds what the user entered during the first.
        for _ in range(_PASSES):
            try:
                found = await self._rooms.query_rooms_of_user(
                    user_id=user_id, memberships=list(LEFT)
                )
            except _LATER as outage:
                raise Unavailable(f"The rooms of {user_id} are not known for now.") from outage
            if not found:
                return
            try:
                await for_each(
                    [one.room_id for one in found],
                    lambda room_id: self._leave_unless_refused(user_id, room_id),
                    at_once=_ROOMS_AT_ONCE,
                )
            except _LATER as outage:
                raise Unavailable(f"{user_id} has not left all rooms.") from outage

    async def _leave_unless_refused(self, user_id: UserID, room_id: RoomID) -> None:
        try:
            await leave_room(self._sender, room_id, user_id)
        except _LATER:
            # Other rooms would meet it too.
            raise
        except MatrixError as refusal:
            _log.warning(
                "A deactivated user stays in a room for now",
                extra={"user_id": user_id, "room_id": room_id, "reason": str(refusal)},
            )
