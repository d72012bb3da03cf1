"""What readers are rebuilt from: the histories of all streams, one after another."""

from typing import Final

from msgspec.structs import replace

from components.syncapi.store.rebuild_progress import Cursor
from components.syncapi.streams.history import HistoryPart, HistorySource, Stage
from components.syncapi.streams.stream import ProjectedStream, StreamKinds

_ROOMS_AT_ONCE: Final = 1000


class HistoryReader:
    """Reads the histories from a cursor on."""

    def __init__(self, source: HistorySource, kinds: StreamKinds) -> None:
        """Read from the owners, and from the copy that served where it can still be read."""
        self._rooms: Final = source.owners.rooms
        self._stages: Final[list[Stage]] = sorted(
            [
                stage
                for kind in kinds
                if issubclass(kind, ProjectedStream)
                for stage in kind.stages(source)
            ],
            key=lambda stage: stage.number,
        )

    async def count_rooms(self) -> int:
        """Return how many rooms there are."""
        count, after = 0, ""
        while rooms := await self._rooms.query_rooms(after=after, limit=_ROOMS_AT_ONCE):
            count += len(rooms)
            after = rooms[-1]
        return count

    def stage_at(self, cursor: Cursor) -> Stage | None:
        """Return the history that a cursor is in; None behind the last one."""
        return next((stage for stage in self._stages if stage.number >= cursor.stage), None)

    async def read(self, cursor: Cursor) -> HistoryPart | None:
        """Return the part after a cursor; `None` where all of the histories have been read."""
        stage = self.stage_at(cursor)
        if stage is None:
            return None
        return await stage.read(replace(cursor, stage=stage.number))
