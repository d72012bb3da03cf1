"""Forgetting rooms (client-server API, `/forget`): an input for the room server like any other."""

import asyncio
import secrets

from base.tracing import current_request_id
from components.clientapi.settings import ClientApiSettings
from logs.log import Log, Outgoing
from logs.records.room_input import ForgetRoom
from logs.topics import INPUT_ROOM_EVENT
from matrix.errors import MatrixError, Unavailable
from matrix.identifiers import RoomID, UserID
from roomwriting.outcomes import Outcomes


class UserStillInRoom(MatrixError):
    """The user has not left the room."""


class RoomForgetting:
    """Lets users forget rooms."""

    def __init__(self, log: Log, outcomes: Outcomes, settings: ClientApiSettings) -> None:
        self._log = log
        self._outcomes = outcomes
        self._timeout_s = settings.outcome_timeout_s

    async def forget(self, room_id: RoomID, user_id: UserID) -> None:
        """Let a user forget a room; again changes nothing.

        Raises `UserStillInRoom` where the room server finds the user in the room, `LimitExceeded`,
        `Unavailable` and `LogOutage`.
        """
        input_id = f"forget:{secrets.token_urlsafe(18)}"
        verdict = self._outcomes.expect(input_id)
        record = ForgetRoom(room_id, user_id, input_id, current_request_id())
        try:
            await self._log.append(
                INPUT_ROOM_EVENT.name, [Outgoing(room_id, INPUT_ROOM_EVENT.encode(record))]
            )
            async with asyncio.timeout(self._timeout_s):
                outcome = await verdict
        except TimeoutError as error:
            raise Unavailable("The room server has not answered: repeat the request.") from error
        finally:
            self._outcomes.forget(input_id)
        if outcome.refusal is not None:
            raise UserStillInRoom(outcome.refusal)
