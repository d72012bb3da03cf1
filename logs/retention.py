"""How long topics keep records, and how many bytes of them."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from logs.topics import Topic

_MS_PER_HOUR: Final = 3_600_000


class Retention(NamedTuple):
    """What a topic keeps at least, and at most."""

    ms: int
    """Milliseconds for which a record is kept."""
    max_bytes: int | None
    """Bytes over which the oldest records are dropped, however young they are."""


class Retentions:
    """The retention of each topic: as the catalogue has it, unless it is set."""

    def __init__(
        self, hours: Mapping[str, float] | None = None, max_bytes: Mapping[str, int] | None = None
    ) -> None:
        """Take what is set, by the names of topics."""
        self._hours: Final = hours or {}
        self._max_bytes: Final = max_bytes or {}

    def of(self, topic: Topic[Any]) -> Retention:
        """Return what a topic keeps."""
        hours = self._hours.get(topic.name, topic.retention_h)
        return Retention(round(hours * _MS_PER_HOUR), self._max_bytes.get(topic.name))
