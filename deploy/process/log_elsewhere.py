"""The log of a server, for a command beside it that writes only to databases."""

from collections.abc import Mapping, Sequence
from typing import NoReturn

from logs.log import Log, LogOutage, Outgoing, Ownership, partition_of_key


class LogElsewhere(Log):
    """Knows the partitions of the monolith's log, and can neither append nor read.

    What a command leaves in an outbox is appended by the server that owns the log.
    """

    generation = ""
    max_record_bytes = 0

    def partition_count(self, topic: str) -> int:
        """Return how many partitions the topic has: one, in the monolith."""
        del topic
        return 1

    def partition_of(self, topic: str, key: str) -> int:
        """Return the partition that records with this key go to."""
        return partition_of_key(key, self.partition_count(topic))

    async def append(self, topic: str, records: Sequence[Outgoing]) -> NoReturn:
        """Raise `LogOutage`."""
        del records
        raise LogOutage(f"The log is not open here: nothing can be appended to {topic}.")

    async def subscribe(self, topic: str, group: str, ownership: Ownership) -> NoReturn:
        """Raise `LogOutage`."""
        del group, ownership
        raise LogOutage(f"The log is not open here: {topic} cannot be read.")

    async def tail(self, topic: str, start: Mapping[int, int] | None = None) -> NoReturn:
        """Raise `LogOutage`."""
        del start
        raise LogOutage(f"The log is not open here: {topic} cannot be read.")

    async def bounds(self, topic: str) -> NoReturn:
        """Raise `LogOutage`."""
        raise LogOutage(f"The log is not open here: {topic} cannot be read.")

    async def ends(self, topics: Sequence[str]) -> NoReturn:
        """Raise `LogOutage`."""
        raise LogOutage(f"The log is not open here: {', '.join(topics)} cannot be read.")

    async def trim(self, topic: str, before: Mapping[int, int]) -> NoReturn:
        """Raise `LogOutage`."""
        del before
        raise LogOutage(f"The log is not open here: {topic} cannot be trimmed.")

    async def check(self) -> NoReturn:
        """Raise `LogOutage`."""
        raise LogOutage("The log is not open here.")

    async def close(self) -> None:
        """Do nothing: it is not open."""
