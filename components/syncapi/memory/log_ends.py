"""Whether a position can be one of this log: what is past its end was never written, or is lost."""

from typing import Final

from components.syncapi.memory.projected import Projected
from components.syncapi.position import SyncPosition, is_beyond
from logs.log import Log
from logs.topics import OUTPUT_CLIENT_DATA, OUTPUT_RECEIPT, OUTPUT_ROOM_EVENT, OUTPUT_TYPING

_TOPICS: Final = (
    OUTPUT_ROOM_EVENT.name,
    OUTPUT_CLIENT_DATA.name,
    OUTPUT_RECEIPT.name,
    OUTPUT_TYPING.name,
)
"""In the order in which a position names them."""


class LogEnds:
    """Knows how far the topics are written; asks the log only for what memory has not reached."""

    def __init__(self, log: Log, projected: Projected) -> None:
        self._log: Final = log
        self._projected: Final = projected

    async def are_before(self, position: SyncPosition) -> bool:
        """Return whether the position is past the end of a topic. Raises `LogOutage`.

        Another process may be ahead of this one, but none is ahead of the log.
        """
        if not is_beyond(position, self._projected.position):
            return False
        ends = await self._log.ends(_TOPICS)
        return is_beyond(position, SyncPosition(*[tuple(ends[topic]) for topic in _TOPICS]))
