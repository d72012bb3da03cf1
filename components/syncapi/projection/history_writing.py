"""Writes parts of the histories as the records of the topics are written: by their processors."""

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

from base.database import Connection
from components.syncapi.projection.consumers import ProjectedStreams
from components.syncapi.store.rebuild_progress import settle_history
from components.syncapi.streams.history import HistoryPart
from logs.consumer import Message, Processor
from logs.topics import Topic

T = TypeVar("T")
U = TypeVar("U")

_log: Final = logging.getLogger(__name__)


class HistoryWriter:
    """Writes parts, one after another."""

    def __init__(self, projection: ProjectedStreams) -> None:
        self._makers: Final[dict[str, Callable[[int], Processor[Any]]]] = {
            topic.name: topic.processor for topic in projection.topics
        }
        self._processors: Final[dict[tuple[str, int], Processor[Any]]] = {}

    def write(self, connection: Connection, part: HistoryPart, *, is_last: bool) -> None:
        """Write a part; with the last one, what depends on several histories is settled."""
        for partition, messages in part.messages.items():
            processor = self._processor(part.topic, partition)
            processor.process(connection, messages, _Nowhere())
            # Nobody reads from memory what is written here.
            processor.aborted()
        if part.also is not None:
            part.also(connection)
        if is_last:
            settle_history(connection)

    def _processor(self, topic: str, partition: int) -> Processor[Any]:
        key = (topic, partition)
        if key not in self._processors:
            self._processors[key] = self._makers[topic](partition)
        return self._processors[key]


class _Nowhere:
    """Where what is derived from histories goes: it was sent when it was announced first."""

    def put(self, topic: Topic[U], key: str, value: U) -> None:
        """Send nothing."""

    def reject(self, message: Message[T], reason: str) -> None:
        """Leave the record out, as then: it is among the rejected ones."""
        _log.warning("a record was left out", extra={"key": message.key, "reason": reason})
