"""The stream of rooms: events, state and memberships."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from base.database import Connection
from components.syncapi.changes import RoomNews
from components.syncapi.memory.projected import Projected
from components.syncapi.position import ROOMS
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.history import HistorySource, Stage
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.confirming import confirm_rooms
from components.syncapi.streams.rooms.fragments import FragmentMaker
from components.syncapi.streams.rooms.history import RoomStages
from components.syncapi.streams.rooms.learning import RoomLearning
from components.syncapi.streams.rooms.looking import Found, Look
from components.syncapi.streams.rooms.reading import read_sections
from components.syncapi.streams.rooms.records import project
from components.syncapi.streams.rooms.tasks import RoomTask, Section
from components.syncapi.streams.rooms.writing import write_batch
from components.syncapi.streams.sent_members import SentRoom
from components.syncapi.streams.stream import (
    ProjectedStream,
    StreamContext,
    WantedRows,
)
from components.syncapi.tokens import Absent
from logs.consumer import Message
from logs.following.projected_topic import FollowedRecords, Reject
from logs.records.room_output import OutputRoomEvent
from logs.topics import OUTPUT_ROOM_EVENT

_LIGHT_ROOMS: Final = 10


class RoomStream(ProjectedStream[OutputRoomEvent, RoomNews]):
    """Tells the parts of rooms; the other streams add to those of joined ones."""

    name = "rooms"
    number = 1
    topic = OUTPUT_ROOM_EVENT
    absent = Absent.REFUSED
    shows_rooms = True

    def __init__(self, context: StreamContext) -> None:
        super().__init__(context)
        self._tokens: Final = context.tokens
        self._covered: Final = context.covered
        self._learning: Final = RoomLearning(context.projected)
        self._fragments: Final = FragmentMaker(context.tokens, context.projected.summaries)

    @classmethod
    def stages(cls, source: HistorySource) -> list[Stage]:
        """Return what it is rebuilt from."""
        return RoomStages(source).stages()

    def write(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputRoomEvent]],
        reject: Reject[OutputRoomEvent],
    ) -> RoomNews:
        """Write a batch of room records."""
        return write_batch(connection, project(messages, reject, self._covered))

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[OutputRoomEvent]]
    ) -> Mapping[int, RoomNews]:
        """Return what was written because of records, as the stored rows have it."""
        return confirm_rooms(connection, followed)

    def learn(self, partition: int, news: RoomNews) -> None:
        """Take in committed room records."""
        self._learning.learn(partition, self.progress.at(partition), news)

    async def look(self, request: SyncRequest, answer: SyncAnswer) -> WantedRows[Any] | None:
        """Make the parts of rooms that memory can make, and ask the database for the others."""
        since, recent = request.since, self._projected.recent
        look = Look(request, self._projected.summaries, self._partition_of, self._slices)
        if since is None or request.full_state:
            await look.begin()
        elif recent.reaches(since[ROOMS]):
            look.in_memory(since[ROOMS], recent, self._fragments)
        else:
            await look.everywhere()
        found = look.found
        answer.join += found.ready
        answer.perhaps_recounted += found.recounted
        answer.begun += [
            task.room_id for task in found.tasks if task.begins and task.now.membership == "join"
        ]
        if not (found.tasks or found.unsure):
            return None
        return WantedRows(
            partial(
                read_sections,
                request=request,
                tasks=found.tasks,
                unsure=found.unsure,
                tokens=self._tokens,
            ),
            partial(self._tell, request, answer),
            is_heavy=_is_heavy(request, found),
        )

    async def _tell(
        self, request: SyncRequest, answer: SyncAnswer, sections: Sequence[tuple[RoomTask, Section]]
    ) -> None:
        is_lazy = request.filter.room.state.lazy_load_members
        for task, section in sections:
            await self._slices.next()
            entry = (task.room_id, section.json)
            match task.now.membership:
                case "join":
                    answer.join.append(entry)
                    _learn_summary(self._projected, self._partition_of(task.room_id), task, section)
                    if is_lazy:
                        members = section.sent_members
                        answer.sent.append(SentRoom(task.room_id, members, begins=task.begins))
                case "invite":
                    answer.invite.append(entry)
                case "knock":
                    answer.knock.append(entry)
                case _:
                    answer.leave.append(entry)


def _is_heavy(request: SyncRequest, found: Found) -> bool:
    return (
        request.since is None
        or request.full_state
        or bool(found.unsure)
        or not request.filter.room.timeline.is_pass_all
        or len(found.tasks) > _LIGHT_ROOMS
        or any(task.begins for task in found.tasks)
    )


def _learn_summary(projected: Projected, partition: int, task: RoomTask, section: Section) -> None:
    """Remember the summary that the database was asked for, as far as it still holds."""
    if section.summary is None:
        return
    room = projected.recent.get(partition, task.room_id)
    # A change while the database was read made it void before it is kept.
    if projected.recent.covers(partition, task.upto) and (
        room is None or room.summary_changed < task.upto
    ):
        projected.summaries[task.room_id] = section.summary
