"""The newest events in memory: words that many of them have are kept once."""

from components.syncapi.memory.recent import RecentRooms
from components.syncapi.room_event import RoomEvent, room_event
from matrix.events import load_event
from tests.component.syncapi.story import Room


def stored(room: Room, order: int) -> RoomEvent:
    """Return a message as a record of it is read: with strings of its own."""
    event = room.build("m.room.message", {"msgtype": "m.text", "body": str(order)})
    read = load_event(event.raw, event.room_version, event.event_id)
    return room_event(read, stream_order=order, history_visibility="shared")


def test_events_of_a_room_share_what_they_have_in_common() -> None:
    room, recent = Room(), RecentRooms([0], 1_000_000)
    events = [stored(room, order) for order in range(3)]
    assert events[0].sender is not events[1].sender

    for event in events:
        recent.add(0, event)

    kept = recent.get(0, room.room_id)
    assert kept is not None
    for name in ("room_id", "type", "sender", "history_visibility"):
        assert len({id(getattr(event, name)) for event in kept.events}) == 1
