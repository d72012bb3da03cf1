"""A stream of /sync is one class and a line in a list: this one the server does not have."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import orjson
import sqlalchemy as sa

from base.database import Connection, Schema
from components.syncapi.assembly import SCHEMA
from components.syncapi.component import COMPONENT
from components.syncapi.store.rebuild_progress import Cursor
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.catalogue import STREAMS
from components.syncapi.streams.history import (
    HistoryPart,
    HistorySource,
    Stage,
    moved,
    part_of,
    places,
)
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.stream import ProjectedStream, StreamKinds, WantedRows
from logs.consumer import Message
from logs.embedded import EmbeddedLog
from logs.following.projected_topic import FollowedRecords, Reject
from logs.log import Outgoing
from logs.topics import Topic
from tests.component.syncapi.kept_histories import Announced, rebuilt_beside
from tests.component.syncapi.story import ALICE, BOB, House, Room, running_house, topics_of

SECTION = "org.example.notes"


class Note(msgspec.Struct):
    """A line for a user."""

    user_id: str
    text: str


NOTES: Topic[Note] = Topic(
    "OutputNote", Note, key="user ID", writers="a test", readers="sync", retention_h=1
)
_METADATA = sa.MetaData()
_NOTES = sa.Table(
    "notes",
    _METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("stream_order", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("text", sa.Text, nullable=False),
)
NOTE_TABLES = Schema("notes", _METADATA)
TABLES = replace(SCHEMA, parts=(*SCHEMA.parts, NOTE_TABLES))


class NoteStream(ProjectedStream[Note, Sequence[str]]):
    """Tells users what was noted for them."""

    name = "notes"
    number = 100
    topic = NOTES
    kept: ClassVar[Sequence[Note]] = ()
    """What is kept of them for good."""

    @classmethod
    def stages(cls, source: HistorySource) -> list[Stage]:
        async def read(cursor: Cursor) -> HistoryPart:
            notes = [
                (note.user_id, order, note)
                for note, order in zip(cls.kept, places(cursor), strict=False)
            ]
            return part_of(source.log, NOTES, notes, moved(cursor, None, 0))

        return [Stage(100, "notes", read)]

    def write(
        self, connection: Connection, messages: Sequence[Message[Note]], reject: Reject[Note]
    ) -> Sequence[str]:
        del reject
        for message in messages:
            row = msgspec.structs.asdict(message.value)
            order = message.position.offset
            connection.execute(sa.insert(_NOTES).values(stream_order=order, **row))
        return [message.value.user_id for message in messages]

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[Note]]
    ) -> Mapping[int, Sequence[str]]:
        del connection
        return {
            partition: [note.user_id for _, note in one.records]
            for partition, one in followed.items()
        }

    def learn(self, partition: int, news: Iterable[str]) -> None:
        del partition
        self._projected.wake((), news)

    async def look(self, request: SyncRequest, answer: SyncAnswer) -> WantedRows[Any] | None:
        partition = self._partition_of(request.user_id)
        upto = request.upto[self.slot][partition]
        query = (
            sa.select(_NOTES.c.text)
            .where(_NOTES.c.user_id == request.user_id, _NOTES.c.stream_order < upto)
            .order_by(_NOTES.c.stream_order)
        )
        if request.since is not None:
            query = query.where(_NOTES.c.stream_order >= request.since[self.slot][partition])

        async def tell(texts: Sequence[str]) -> None:
            if texts:
                answer.sections[SECTION] = orjson.dumps(texts)

        return WantedRows(lambda connection: list(connection.execute(query).scalars()), tell)


WITH_NOTES: StreamKinds = (*STREAMS[:2], NoteStream, *STREAMS[2:])


async def note(house: House, *texts: str) -> None:
    records = [Outgoing(ALICE, NOTES.encode(Note(ALICE, text))) for text in texts]
    await house.log.append(NOTES.name, records)


async def test_a_further_stream_is_in_initial_and_incremental_answers_and_wakes_long_polls(
    tmp_path: Path, database_url: str
) -> None:
    async with running_house(tmp_path, database_url, streams=WITH_NOTES, schema=TABLES) as house:
        await note(house, "one", "two")
        first = await house.sync(ALICE)
        await note(house, "three")
        second = await house.sync(ALICE, first["next_batch"])
        poll = asyncio.create_task(house.sync(ALICE, second["next_batch"], timeout=30_000))
        await house.until_waiting(ALICE)
        await note(house, "four")
        third = await poll
        others = await house.sync(BOB)

    assert [answer.get(SECTION) for answer in (first, second, third, others)] == [
        ["one", "two"],
        ["three"],
        ["four"],
        None,
    ]


async def test_a_token_of_before_the_stream_was_there_is_good_and_begins_with_all_of_it(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    async with running_house(tmp_path, database_url, schema=TABLES) as house:
        await house.put(*room.created())
        token = (await house.sync(ALICE))["next_batch"]

    async with running_house(tmp_path, database_url, streams=WITH_NOTES, schema=TABLES) as house:
        await note(house, "one")
        await house.put(room.message("hello"))
        answer = await house.sync(ALICE, token)

    assert answer[SECTION] == ["one"]
    events = answer["rooms"]["join"][room.room_id]["timeline"]["events"]
    assert [event["content"]["body"] for event in events] == ["hello"]


async def test_a_further_stream_is_rebuilt_from_its_history_and_goes_on_with_the_topic(
    tmp_path: Path, database_url: str
) -> None:
    class KeptNotes(NoteStream):
        kept = (Note(ALICE, "one"), Note(ALICE, "two"))

    streams: StreamKinds = (*STREAMS, KeptNotes)
    async with running_house(tmp_path, database_url, streams=streams, schema=TABLES) as house:
        await note(house, "one", "two")
        before = await house.sync(ALICE)

    log = await EmbeddedLog.open(tmp_path / "log", dict.fromkeys(topics_of(streams), 1))
    await rebuilt_beside(log, database_url, Announced(), streams=streams, further=[NOTE_TABLES])
    await log.close()

    async with running_house(tmp_path, database_url, streams=streams, schema=TABLES) as house:
        again = await house.sync(ALICE)
        await note(house, "three")
        later = await house.sync(ALICE, again["next_batch"])
    assert [answer[SECTION] for answer in (before, again, later)] == [
        ["one", "two"],
        ["one", "two"],
        ["three"],
    ]


def test_the_topics_of_all_streams_are_those_that_client_sync_consumes() -> None:
    projected = [kind.topic for kind in STREAMS if issubclass(kind, ProjectedStream)]

    assert list(COMPONENT.consumes) == projected
    assert len({kind.number for kind in STREAMS}) == len(STREAMS)
