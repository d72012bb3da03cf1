"""Writes parts of the histories as the records of the topics are written: by their processors."""

import logging
from typing import Any, Final, TypeVar

from base.database import Connection
from components.syncapi.projection.consumers import ProjectedTopics
from components.syncapi.projection.history import STAGES, HistoryPart
from components.syncapi.store.carried import update_carried
from components.syncapi.store.rebuild_progress import (
    Cursor,
    settle_history,
    update_progress,
    upsert_covered,
)
from logs.consumer import Message, Processor
from logs.topics import Topic

T = TypeVar("T")
U = TypeVar("U")

_log: Final = logging.getLogger(__name__)


class HistoryWriter:
    """Writes parts, one after another, each with how far the copy is then."""

    def __init__(self, topics: ProjectedTopics, run: str) -> None:
        self._topics: Final = {one.name: one for one in topics.all}
        self._run: Final = run
        self._processors: Final[dict[tuple[str, int], Processor[Any]]] = {}

    def write(self, connection: Connection, before: Cursor, part: HistoryPart) -> None:
        """Write a part. Raises `RebuildTaken` if it is not this run's turn."""
        update_progress(connection, self._run, before, part.after)
        for partition, messages in part.messages.items():
            processor = self._processor(part.topic, partition)
            processor.process(connection, messages, _Nowhere())
            # Nobody reads from memory what is written here.
            processor.aborted()
        update_carried(connection, part.carried)
        if part.covered is not None:
            upsert_covered(connection, *part.covered)
        if part.after.stage == len(STAGES):
            settle_history(connection)

    def _processor(self, topic: str, partition: int) -> Processor[Any]:
        key = (topic, partition)
        if key not in self._processors:
            self._processors[key] = self._topics[topic].processor(partition)
        return self._processors[key]


class _Nowhere:
    """Where what is derived from histories goes: it was sent when it was announced first."""

    def put(self, topic: Topic[U], key: str, value: U) -> None:
        """Send nothing."""

    def reject(self, message: Message[T], reason: str) -> None:
        """Leave the record out, as then: it is among the rejected ones."""
        _log.warning("a record was left out", extra={"key": message.key, "reason": reason})
