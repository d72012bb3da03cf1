"""Forgetting rooms (client-server API, `/forget`): an input for the room server like any other."""

import secrets

from base.tracing import current_request_id
from logs.records.room_input import ForgetRoom
from matrix.errors import MatrixError
from matrix.identifiers import RoomID, UserID
from roomwriting.inputs import RoomInputs


class UserStillInRoom(MatrixError):
    """The user has not left the room."""


class RoomForgetting:
    """Lets users forget rooms."""

    def __init__(self, inputs: RoomInputs) -> None:
        self._inputs = inputs

    async def forget(self, room_id: RoomID, user_id: UserID) -> None:
        """Let a user forget a room; again changes nothing.

        Raises `UserStillInRoom` where the room server finds the user in the room, `LimitExceeded`,
        `Unavailable` and `LogOutage`.
        """
        input_id = f"forget:{secrets.token_urlsafe(18)}"
        record = ForgetRoom(room_id, user_id, input_id, current_request_id())
        outcome = await self._inputs.write_one(room_id, input_id, record)
        if outcome.refusal is not None:
            raise UserStillInRoom(outcome.refusal)
