"""The forms in which clients see events."""

from typing import Any

import orjson
import pytest

from matrix.client_events import (
    client_event,
    client_event_json,
    redacted_client_event,
    redacted_client_event_json,
    stripped_state,
)
from matrix.events import Event, parse_event
from matrix.room_versions import ROOM_VERSIONS, RoomVersion

HASH_ROOM = "!" + "r" * 43
every_version = pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)


def event_of(version: RoomVersion, **fields: Any) -> Event:
    pdu: dict[str, Any] = {
        "auth_events": [],
        "content": {"body": "hello"},
        "depth": 7,
        "hashes": {"sha256": "x" * 43},
        "origin": "example.org",
        "origin_server_ts": 1_700_000_000_000,
        "prev_events": [],
        "room_id": HASH_ROOM if version.create_event_is_room_id else "!room:example.org",
        "sender": "@alice:example.org",
        "signatures": {},
        "type": "m.room.message",
        "unsigned": {"age": 1},
        **fields,
    }
    if version.has_event_id_field:
        pdu["event_id"] = "$event:example.org"
    return parse_event(pdu, version)


@every_version
def test_clients_see_neither_graph_nor_hashes_nor_signatures(version: RoomVersion) -> None:
    event = event_of(version)

    assert client_event(event) == {
        "content": {"body": "hello"},
        "event_id": event.event_id,
        "origin_server_ts": 1_700_000_000_000,
        "room_id": event.room_id,
        "sender": "@alice:example.org",
        "type": "m.room.message",
    }


@every_version
def test_state_events_show_their_state_key_even_if_empty(version: RoomVersion) -> None:
    assert client_event(event_of(version, state_key=""))["state_key"] == ""
    assert "state_key" not in client_event(event_of(version))


@every_version
def test_the_json_has_no_room_id_and_can_be_completed_before_its_brace(
    version: RoomVersion,
) -> None:
    event = event_of(version, state_key="é")

    encoded = client_event_json(event)

    assert orjson.loads(encoded) == client_event(event, with_room_id=False)
    assert "room_id" not in client_event(event, with_room_id=False)
    completed = encoded[:-1] + b',"unsigned":{"age":5}}'
    assert orjson.loads(completed)["unsigned"] == {"age": 5}


@every_version
def test_every_client_finds_the_target_of_a_redaction(version: RoomVersion) -> None:
    fields: dict[str, Any] = {"content": {"reason": "spam"}, "redacts": "$target"}
    if version.redacts_in_content:
        fields = {"content": {"reason": "spam", "redacts": "$target"}}
    event = event_of(version, type="m.room.redaction", **fields)

    shown = orjson.loads(client_event_json(event))

    assert shown["redacts"] == "$target"
    assert shown["content"] == {"reason": "spam", "redacts": "$target"}
    assert event.content == fields["content"]


@every_version
def test_a_redacted_event_shows_what_survives(version: RoomVersion) -> None:
    message = event_of(version)
    member = event_of(
        version,
        type="m.room.member",
        state_key="@alice:example.org",
        content={"membership": "join", "displayname": "Alice"},
    )

    assert redacted_client_event(message) == {**client_event(message), "content": {}}
    assert redacted_client_event(member) == {
        **client_event(member),
        "content": {"membership": "join"},
    }
    assert orjson.loads(redacted_client_event_json(member)) == redacted_client_event(
        member, with_room_id=False
    )


@every_version
def test_a_redacted_redaction_keeps_its_target_from_version_11(version: RoomVersion) -> None:
    event = event_of(
        version, type="m.room.redaction", redacts="$target", content={"redacts": "$target"}
    )

    shown = redacted_client_event(event)

    kept = int(version.identifier) >= 11
    assert shown.get("redacts") == ("$target" if kept else None)
    assert shown["content"] == ({"redacts": "$target"} if kept else {})


@every_version
def test_stripped_state_has_four_fields(version: RoomVersion) -> None:
    event = event_of(version, type="m.room.name", state_key="", content={"name": "Room"})

    assert stripped_state(event) == {
        "content": {"name": "Room"},
        "sender": "@alice:example.org",
        "state_key": "",
        "type": "m.room.name",
    }


def test_integers_of_any_size_in_old_rooms_reach_the_client() -> None:
    event = event_of(ROOM_VERSIONS["1"], content={"n": 2**80})

    assert b'"n":%d' % 2**80 in client_event_json(event)
