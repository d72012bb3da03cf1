"""Invites from other servers that the copy which serves had not read when a rebuild began.

They are in no history, so they are read from the topic, and nothing else is. What else the topic
has by then the room server keeps, or will announce again: where its database was put back to an
older state and the log was not. Nobody may remember the numbers of those records, or they would be
dropped when they come again.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from base.clock import Clock
from base.database import Connection, Database
from components.syncapi.streams.rooms.records import project
from components.syncapi.streams.rooms.writing import write_batch
from logs.consumer import Message, Outbox
from logs.consumer.loop import Consumer
from logs.consumer.tables import ConsumerStore, reset_positions
from logs.log import Log
from logs.rebuilding.reader import ConsumerName
from logs.records.room_output import InviteReceived, InviteRetired, OutputRoomEvent
from logs.topics import OUTPUT_ROOM_EVENT

NAME: Final = ConsumerName("syncapi-invites", OUTPUT_ROOM_EVENT.name)
STORE: Final = ConsumerStore(*NAME)
"""Where the reading is; empty once it has come to its end."""


def begin_at(connection: Connection, offsets: Mapping[int, int], generation: str) -> None:
    """Let the reading begin here."""
    reset_positions(connection, *NAME, offsets, generation)


def late_invites(
    log: Log, database: Database, clock: Clock, *, group: str
) -> Consumer[OutputRoomEvent]:
    """Return the consumer that writes them; it is not started."""
    return Consumer(
        NAME.consumer, OUTPUT_ROOM_EVENT, _InviteProcessor, log, database, clock=clock, group=group
    )


class _InviteProcessor:
    """Projects the invites of one partition, and passes all else over."""

    def __init__(self, partition: int) -> None:
        del partition

    def process(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputRoomEvent]],
        outbox: Outbox,
    ) -> None:
        """Write the invites of a batch."""
        invites = [one for one in messages if isinstance(one.value, InviteReceived | InviteRetired)]
        if invites:
            write_batch(connection, project(invites, outbox.reject))

    def committed(self) -> None:
        """Nobody reads from memory what is written here."""

    def aborted(self) -> None:
        """Nothing is kept."""
