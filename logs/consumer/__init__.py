"""The consumer loop: position, effects and outbox in one transaction.

For every partition that it owns it takes what is there as a batch, drops what it has seen,
lets a `Processor` turn the records into effects and outgoing records, commits all of it with a
compare-and-set on the position, and then sends the outbox.
"""

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from base.database import Connection
from logs.log import Position
from logs.topics import Topic

T = TypeVar("T")
U = TypeVar("U")


class Message(NamedTuple, Generic[T]):
    """A record with its decoded value."""

    position: Position
    key: str
    timestamp_ms: int
    value: T


class Outbox(Protocol):
    """Where a processor puts what it derives; sent after the commit, numbered, in this order."""

    def put(self, topic: Topic[U], key: str, value: U) -> None:
        """Append this after the transaction has been committed."""
        ...

    def reject(self, message: Message[T], reason: str) -> None:
        """Send the message to the topic Rejected: it will never be processed as it is."""
        ...


class Processor(Protocol[T]):
    """What a component does with one partition. One object lives as long as one ownership.

    The same messages in the same order must give the same effects and the same output, however
    they are cut into batches.
    """

    def process(
        self, connection: Connection, messages: Sequence[Message[T]], outbox: Outbox
    ) -> None:
        """Apply the batch inside the open transaction.

        Raise nothing for bad records (`outbox.reject` them). Outages (of the database, the log,
        memory, files) roll back and the batch is tried again, for as long as it takes; any other
        exception makes the loop roll back, try the records alone, and reject the one that keeps
        failing.
        """
        ...

    def committed(self) -> None:
        """The batch just processed is committed: announce it, keep what was cached."""
        ...

    def aborted(self) -> None:
        """The batch just processed was rolled back: forget everything learned from it."""
        ...
