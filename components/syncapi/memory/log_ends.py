"""Whether a position can be one of this log: what is past its end was never written, or is lost."""

from collections.abc import Sequence
from typing import Final

from components.syncapi.memory.projected import Projected
from components.syncapi.position import SyncPosition, is_beyond
from logs.log import Log


class LogEnds:
    """Knows how far the topics are written; asks the log only for what memory has not reached."""

    def __init__(self, log: Log, projected: Projected, topics: Sequence[str]) -> None:
        """Take the topics of the streams, in the order of a position."""
        self._log: Final = log
        self._projected: Final = projected
        self._topics: Final = topics

    async def are_before(self, position: SyncPosition) -> bool:
        """Return whether the position is past the end of a topic. Raises `LogOutage`.

        Another process may be ahead of this one, but none is ahead of the log.
        """
        if not is_beyond(position, self._projected.position):
            return False
        ends = await self._log.ends(self._topics)
        return is_beyond(position, tuple([tuple(ends[topic]) for topic in self._topics]))
