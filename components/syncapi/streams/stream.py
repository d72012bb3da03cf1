"""A stream of /sync: a topic, its slot in the token, and what clients are told of it.

Adding one is a class in a file of its own and a line in `streams.catalogue`.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeAlias, TypeVar

from base.database import Connection, Database
from base.metrics import Reading
from base.slices import Slices
from components.syncapi.memory.projected import Projected
from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.history import HistorySource, Stage
from components.syncapi.streams.request import SyncRequest
from components.syncapi.tokens import Absent, SyncTokens
from logs.consumer import Message
from logs.following.progress import TopicProgress
from logs.following.projected_topic import FollowedRecords, Reject
from logs.log import Log
from logs.topics import Topic

R = TypeVar("R")
"""The records of the topic."""
N = TypeVar("N")
"""What memory learns of them."""
V = TypeVar("V")


class StreamContext(NamedTuple):
    """What a stream stands on."""

    slot: int
    """Its place in positions."""
    partition_of: Callable[[str], int]
    """Tells the partition of a key of its topic."""
    log: Log
    database: Database
    projected: Projected
    tokens: SyncTokens
    settings: SyncApiSettings
    slices: Slices
    covered: Mapping[str, int]
    """By room, in a rebuild, the offset before which its records are in the tables already."""


class WantedRows(NamedTuple, Generic[V]):
    """What an answer needs of the database: all streams read in one snapshot."""

    read: Callable[[Connection], V]
    """Changes nothing: it may run in another thread, and more than once."""
    tell: Callable[[V], Awaitable[None]]
    """Adds what was read to the answer."""
    is_heavy: bool = False
    """Whether it is read in a thread from the start, and not only once it turns out to be long."""


class SyncStream(ABC, Generic[R, N]):
    """What all streams have: a topic that memory follows, and a part of answers."""

    name: ClassVar[str]
    number: ClassVar[int]
    """Of its offsets in tokens: never given again."""
    topic: ClassVar[Topic[Any]]
    absent: ClassVar[Absent] = Absent.START
    """What tokens mean that were made before there was the stream."""
    shows_rooms: ClassVar[bool] = False
    """Whether what other endpoints show of rooms depends on it."""
    precedes_events: ClassVar[bool] = False
    """Whether encrypted events are told only with all that was written of it before them: it is
    looked at once that is known, and tells it (`SyncAnswer.told_up_to`)."""

    def __init__(self, context: StreamContext) -> None:
        self.slot: Final = context.slot
        self._projected: Final = context.projected
        self._partition_of: Final = context.partition_of
        self._slices: Final = context.slices
        self.progress: Final[TopicProgress] = context.projected.progress[context.slot]

    @abstractmethod
    def learn(self, partition: int, news: N) -> None:
        """Let memory know, in each partition in order, and wake those whom it concerns.

        What it knows already is passed over. How far it is then, the caller notes.
        """

    @abstractmethod
    async def look(self, request: SyncRequest, answer: SyncAnswer) -> WantedRows[Any] | None:
        """Add what is between the two positions of the request, from memory where it has it.

        Without `since` it is all that the client has to know at first. Returns what only the
        database can tell. Memory may be further than the request goes, where something took long:
        what comes later is left out, unless it does no harm to tell it twice.
        """

    def readings(self) -> Iterable[Reading]:
        """Give what was counted, for metrics."""
        return ()


class ProjectedStream(SyncStream[R, N]):
    """A stream that is written into the tables (`logs.following.projected_topic.Projection`)."""

    is_carried: ClassVar[bool] = False
    """Whether only the tables have what it tells: a rebuild goes on with the topic where the copy
    that served was, and `stages` take over what that has."""

    @classmethod
    @abstractmethod
    def stages(cls, source: HistorySource) -> list[Stage]:
        """Return what it is rebuilt from, where the topic no longer has it."""

    @abstractmethod
    def write(self, connection: Connection, messages: Sequence[Message[R]], reject: Reject[R]) -> N:
        """Write a batch of one partition; return what memory learns once it is committed."""

    @abstractmethod
    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[R]]
    ) -> Mapping[int, N]:
        """Return per partition what memory learns of records that another process projected."""


class MomentaryStream(SyncStream[R, Sequence[tuple[int, R]]]):
    """A stream of which memory has the newest records, and nothing has the others.

    What memory learns are the records of a partition themselves, with their offsets.
    """

    most_at_start: ClassVar[int]
    """Records per partition that are read again at the start."""


StreamKinds: TypeAlias = Sequence[type[SyncStream[Any, Any]]]
"""Streams to be, the one of rooms first."""
