"""Memory learns each record once, whether this process committed it or followed another."""

from pathlib import Path

from base.clock import ManualClock
from base.database import open_database
from components.syncapi.assembly import SCHEMA
from components.syncapi.changes import RoomNews
from components.syncapi.projection.consumers import project_streams, tokens_of
from components.syncapi.room_event import RoomEvent, room_event
from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.rooms.stream import RoomStream
from logs.embedded import EmbeddedLog
from logs.topics import TOPICS
from matrix.events import load_event
from matrix.identifiers import EventID
from tests.component.syncapi.story import VERSION, Room


async def test_what_memory_knows_is_not_learned_again(tmp_path: Path) -> None:
    database = await open_database("sqlite://", SCHEMA)
    log = await EmbeddedLog.open(tmp_path, dict.fromkeys(TOPICS, 1))
    projection = await project_streams(
        log=log,
        database=database,
        settings=SyncApiSettings(),
        clock=ManualClock(0),
        tokens=tokens_of(log, 0, [RoomStream]),
        kinds=[RoomStream],
    )
    [stream], projected = projection.streams, projection.projected
    room = Room()
    events = [_message(room, number) for number in range(4)]

    for news in (
        RoomNews(events[:2], [], [], 2),
        RoomNews(events[1:3], [], [], 3),
        RoomNews(events[:2], [], [], 2),
        RoomNews(events[3:], [], [], 4),
    ):
        stream.learn(0, news)
        stream.progress.advance(0, news.next_offset)

    recent = projected.recent.get(0, room.room_id)
    assert recent is not None
    assert [event.order for event in recent.since(0)] == [0, 1, 2, 3]
    assert projected.position == ((4,),)
    await log.close()
    await database.close()


def _message(room: Room, number: int) -> RoomEvent:
    record = room.message(str(number))
    event = load_event(record.pdu, VERSION, EventID(record.event_id))
    return room_event(event, stream_order=number, history_visibility="shared")
