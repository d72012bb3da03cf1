"""Writes to the log who types where, and that those who leave a room type there no longer."""

import logging
from collections.abc import Collection, Sequence
from typing import Final

from logs.log import Log, LogOutage, Outgoing, Position
from logs.processed_inputs import ProcessedInputs
from logs.records.typing import TypingRequested
from logs.topics import INPUT_TYPING
from matrix.identifiers import RoomID, UserID

_log: Final = logging.getLogger(__name__)
_LONGEST_MS: Final = 3600 * 1000


class TypingWriter:
    """Writes to InputTyping."""

    def __init__(self, log: Log, processed: ProcessedInputs | None, timeout_s: float) -> None:
        """Take where it is heard what the EDU server has processed, and how long to wait for it.

        Without, nobody waits.
        """
        self._log = log
        self._processed = processed
        self._timeout_s = timeout_s

    async def set_typing(self, room_id: RoomID, user_id: UserID, timeout_ms: int) -> None:
        """Write that a user types for so long, or with 0 no longer; announced on return.

        Raises `LogOutage`, and `Unavailable` when the EDU server takes too long.
        """
        request = TypingRequested(room_id, user_id, min(timeout_ms, _LONGEST_MS))
        [position] = await self._write([request])
        if self._processed is not None:
            await self._processed.reach("eduserver", position, self._timeout_s)

    async def end_typing(self, room_id: RoomID, user_ids: Collection[str]) -> None:
        """Write that users type no longer, if the log can be written.

        The EDU server announces nothing for those who do not type.
        """
        try:
            await self._write([TypingRequested(room_id, user_id) for user_id in user_ids])
        except LogOutage as outage:
            # Typing ends by itself when its time is over; that the users have left stands.
            _log.info("The end of typing is not written", extra={"reason": str(outage)})

    async def _write(self, records: Collection[TypingRequested]) -> Sequence[Position]:
        return await self._log.append(
            INPUT_TYPING.name, [Outgoing(one.room_id, INPUT_TYPING.encode(one)) for one in records]
        )
