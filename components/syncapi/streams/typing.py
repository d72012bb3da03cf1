"""The stream of who types where."""

from collections.abc import Sequence
from typing import ClassVar, Final

import orjson

from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.stream import MomentaryStream, StreamContext
from components.syncapi.streams.typing_rooms import TypingList, TypingRooms
from components.syncapi.tokens import Absent
from logs.records.typing import OutputTyping
from logs.topics import OUTPUT_TYPING
from matrix.filters import EventFilter


class TypingStream(MomentaryStream[OutputTyping]):
    """Tells joined rooms' lists of those who type, each as a whole when it has changed."""

    name = "typing"
    number = 4
    topic = OUTPUT_TYPING
    absent = Absent.NOW
    # Older lists have long ended.
    most_at_start: ClassVar[int] = 10_000

    def __init__(self, context: StreamContext) -> None:
        super().__init__(context)
        partitions = context.log.partition_count(self.topic.name)
        self._rooms: Final = TypingRooms(partitions, context.settings.recent_typing_rooms)

    def learn(self, partition: int, news: Sequence[tuple[int, OutputTyping]]) -> None:
        """Take in who types; a list that says the same as before wakes nobody."""
        known = self.progress.at(partition)
        lists = [TypingList(one.room_id, one.user_ids, offset) for offset, one in news]
        changed = {
            one.room_id
            for one in lists
            if one.stream_order >= known and self._rooms.put(partition, one)
        }
        self._projected.wake(changed, ())

    async def look(self, request: SyncRequest, answer: SyncAnswer) -> None:
        """Add the lists that changed, and of rooms that begin those that are not empty."""
        for room_id in answer.begun:
            typing = self._rooms.get(self._partition_of(room_id), room_id)
            if typing is not None and typing.user_ids:
                _add(answer, request, typing)
        if request.since is not None:
            for typing in self._rooms.changed_since(request.since[self.slot]):
                if request.shows(typing.room_id) and typing.room_id not in answer.begun:
                    _add(answer, request, typing)


def _add(answer: SyncAnswer, request: SyncRequest, typing: TypingList) -> None:
    event_filter, room_id = request.filter.room.ephemeral, typing.room_id
    users = typing.user_ids
    if not event_filter.is_pass_all:
        if not _wants_type(event_filter, "m.typing", room_id):
            return
        users = [user for user in users if event_filter.matches("m.typing", user, room_id, {})]
    event = b'{"type":"m.typing","content":{"user_ids":%b}}' % orjson.dumps(users)
    answer.ephemeral.setdefault(room_id, []).append(event)


def _wants_type(event_filter: EventFilter, kind: str, room_id: str) -> bool:
    return (
        event_filter.includes_room(room_id)
        and not event_filter.contains_url
        and (event_filter.types is None or event_filter.types.match(kind))
        and not event_filter.not_types.match(kind)
    )
