"""Writes parts of the histories as the records of the topics are written: by their streams."""

import logging
from typing import Any, Final, TypeVar

from base.database import Connection
from components.syncapi.projection.consumers import ProjectedStreams
from components.syncapi.store.rebuild_progress import settle_history
from components.syncapi.streams.history import HistoryPart
from components.syncapi.streams.stream import ProjectedStream
from logs.consumer import Message

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)


class HistoryWriter:
    """Writes parts, one after another."""

    def __init__(self, projection: ProjectedStreams) -> None:
        self._streams: Final[dict[str, ProjectedStream[Any, Any]]] = {
            stream.topic.name: stream
            for stream in projection.streams
            if isinstance(stream, ProjectedStream)
        }

    def write(self, connection: Connection, part: HistoryPart, *, is_last: bool) -> None:
        """Write a part; with the last one, what depends on several histories is settled."""
        for messages in part.messages.values():
            # Nobody reads from memory what is written here: it learns nothing of it.
            self._streams[part.topic].write(connection, messages, _leave_out)
        if part.also is not None:
            part.also(connection)
        if is_last:
            settle_history(connection)


def _leave_out(message: Message[T], reason: str) -> None:
    """Leave the record out, as when it was announced first: it is among the rejected ones."""
    _log.warning("a record was left out", extra={"key": message.key, "reason": reason})
