"""What is kept of events takes the memory that it is long."""

import psutil

from matrix.client_events import client_event_json
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.push_rules.conditions import compile_condition
from matrix.room_versions import room_version

NUMBER = 20_000


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def event(body: str) -> Event:
    pdu = {
        "type": "m.room.message",
        "room_id": "!room:xylem.test",
        "sender": "@alice:xylem.test",
        "content": {"msgtype": "m.text", "body": body},
        "origin_server_ts": 1,
        "depth": 1,
        "prev_events": [],
        "auth_events": [],
    }
    return Event(pdu, room_version("11"), EventID("$event"))


def test_the_bytes_of_events_leave_no_room_behind_them() -> None:
    before = resident()

    kept = [(one.raw, client_event_json(one)) for one in map(event, ["x" * 200] * NUMBER)]

    length = sum(len(raw) + len(json) for raw, json in kept)
    assert resident() - before < 2 * length


def test_the_conditions_of_push_rules_leave_no_room_behind_them() -> None:
    before = resident()

    kept = [
        compile_condition({"kind": "sender_notification_permission", "key": f"room{number}"})
        for number in range(NUMBER)
    ]

    assert len(kept) == NUMBER
    assert resident() - before < 1000 * NUMBER
