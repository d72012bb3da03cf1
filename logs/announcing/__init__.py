"""Announcing what an owner has decided: once it has answered, the log tells of it.

For a component whose tables no log can rebuild. It leaves records in the transaction that changes
them, numbered without holes in the order of the commits; a task appends them, and who writes waits
for it. The user API announces what users keep by OutputClientData, the key server changed keys
by OutputKeyChange.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from logs.topics import Topic

T = TypeVar("T")


class AnnouncedTopic(Generic[T]):
    """A topic that one kind of owner announces, from one database."""

    def __init__(self, topic: Topic[T], stream: str, key_of: Callable[[T], str]) -> None:
        """Take the topic, the name of what is numbered, and by which key a record goes.

        `stream` is part of the origin of every record and must never change.
        """
        self.topic: Final = topic
        self.stream: Final = stream
        self.key_of: Final = key_of
