"""Events of our own: built, encoded, parsed again and verified in every room version."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.building import build_event
from matrix.canonical import MAX_INTEGER, encode_canonical
from matrix.errors import BadJson, TooLarge
from matrix.event_format import EventSizeExceeded
from matrix.events import Event, load_event, parse_event, redacts_of
from matrix.hashing import content_hash, event_id_of, has_valid_content_hash, reference_hash
from matrix.identifiers import EventID, RoomID
from matrix.room_versions import ROOM_VERSIONS, RoomVersion
from matrix.signing import SigningKey, sign_event, verify_event_signature
from matrix.unpadded_base64 import encode_base64

KEY = SigningKey.generate("a1", b"\x01" * 32)
ROOM = RoomID("!room:example.org")
HASH_ROOM = RoomID("!" + "r" * 43)

versions = st.sampled_from(list(ROOM_VERSIONS.values()))
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
contents = st.dictionaries(
    text | st.sampled_from(["membership", "body", "redacts", "creator", "allow"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | text,
        lambda children: (
            st.lists(children, max_size=3) | st.dictionaries(text, children, max_size=3)
        ),
        max_leaves=10,
    ),
    max_size=5,
)
event_types = st.sampled_from(
    [
        "m.room.message",
        "m.room.member",
        "m.room.create",
        "m.room.power_levels",
        "m.room.redaction",
        "m.room.join_rules",
        "org.example.ü",
    ]
)


def build(version: RoomVersion | str, event_type: str = "m.room.message", **fields: Any) -> Event:
    if isinstance(version, str):
        version = ROOM_VERSIONS[version]
    arguments: dict[str, Any] = {
        "room_id": HASH_ROOM if version.create_event_is_room_id else ROOM,
        "sender": "@alice:example.org",
        "content": {"body": "hello"},
        "origin_server_ts": 1_700_000_000_000,
        "depth": 7,
        "prev_events": [],
        "auth_events": [],
        "server_name": "example.org",
        "key": KEY,
        "event_id_suffix": "suffix",
    }
    if event_type == "m.room.create" and version.create_event_is_room_id:
        arguments["room_id"] = None
    return build_event(version=version, type=event_type, **{**arguments, **fields})


@settings(deadline=None)
@given(
    version=versions,
    event_type=event_types,
    content=contents,
    state_key=st.none() | text,
    redacts=st.none() | st.just(EventID("$target")),
    references=st.lists(st.sampled_from(["$a:b", "$c:d", "$e:f"]), unique=True),
)
def test_an_event_survives_the_way_through_its_json(
    *,
    version: RoomVersion,
    event_type: str,
    content: dict[str, Any],
    state_key: str | None,
    redacts: EventID | None,
    references: list[EventID],
) -> None:
    if state_key is not None:
        state_key = state_key.replace("\0", "")
    built = build(
        version,
        event_type,
        content=content,
        state_key=state_key,
        redacts=redacts,
        prev_events=references,
        auth_events=references,
        reference_hashes=dict.fromkeys(references, "x" * 43),
    )

    parsed = parse_event(built.raw, version)

    assert all(getattr(parsed, name) == getattr(built, name) for name in Event.__slots__)
    assert parsed.prev_event_ids == parsed.auth_event_ids == tuple(references)
    assert parsed.state_key == state_key
    assert encode_canonical(built.pdu) == built.raw
    assert has_valid_content_hash(parsed.pdu)
    verify_event_signature(parsed, "example.org", KEY.key_id, KEY.verify_key)
    if event_type == "m.room.redaction" and state_key is None and redacts is not None:
        assert redacts_of(parsed) == redacts


@settings(deadline=None)
@given(version=versions, event_type=event_types, content=contents)
def test_a_built_event_is_signed_like_any_other(
    version: RoomVersion, event_type: str, content: dict[str, Any]
) -> None:
    built = build(version, event_type, content=content)
    bare = {key: built.pdu[key] for key in built.pdu if key not in {"hashes", "signatures"}}

    assert sign_event(bare, version, "example.org", KEY) == built.pdu
    assert built.pdu["hashes"] == {"sha256": content_hash(bare)}
    assert event_id_of(built.pdu, version) == built.event_id


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_the_form_of_the_event_id_is_the_room_version_s(identifier: str) -> None:
    event = build(identifier)
    digest = reference_hash(event.pdu, event.room_version)

    if int(identifier) <= 2:
        assert event.event_id == event.pdu["event_id"] == "$suffix:example.org"
        return
    assert "event_id" not in event.pdu
    standard = "$" + encode_base64(digest)
    expected = standard if identifier == "3" else standard.replace("+", "-").replace("/", "_")
    assert event.event_id == expected
    assert len(event.event_id) == 44


def test_a_create_event_of_version_12_makes_its_room_id() -> None:
    create = build("12", "m.room.create", state_key="", content={"room_version": "12"})

    assert "room_id" not in create.pdu
    assert create.room_id == "!" + create.event_id[1:]
    assert parse_event(create.raw, create.room_version).room_id == create.room_id
    assert load_event(create.raw, create.room_version, create.event_id).room_id == create.room_id


@pytest.mark.parametrize("identifier", ["1", "2"])
def test_references_of_versions_1_and_2_carry_hashes(identifier: str) -> None:
    first = build(identifier)
    digest = encode_base64(reference_hash(first.pdu, first.room_version))

    second = build(
        identifier,
        prev_events=[first.event_id],
        auth_events=[first.event_id],
        reference_hashes={first.event_id: digest},
    )

    assert second.pdu["prev_events"] == [["$suffix:example.org", {"sha256": digest}]]
    assert second.pdu["auth_events"] == second.pdu["prev_events"]
    assert second.prev_event_ids == second.auth_event_ids == (first.event_id,)


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_a_redaction_names_its_target_where_the_version_wants_it(identifier: str) -> None:
    content = {"reason": "spam"}
    target = EventID("$target:example.org")

    event = build(identifier, "m.room.redaction", redacts=target, content=content)

    if int(identifier) >= 11:
        assert event.content == {"reason": "spam", "redacts": target}
        assert "redacts" not in event.pdu
    else:
        assert event.content == {"reason": "spam"}
        assert event.pdu["redacts"] == target
    assert content == {"reason": "spam"}


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
@pytest.mark.parametrize("number", [1.5, 1e10, 2**53, -(2**53), 2**70])
def test_numbers_beyond_canonical_json_are_refused_from_version_6(
    identifier: str, number: float
) -> None:
    if int(identifier) >= 6:
        with pytest.raises(BadJson):
            build(identifier, content={"a": [number]})
        return

    event = build(identifier, content={"a": [number]})

    assert parse_event(event.raw, event.room_version).content == {"a": [number]}
    assert load_event(event.raw, event.room_version, event.event_id).content == {"a": [number]}


@pytest.mark.parametrize("identifier", ["1", "5", "6", "12"])
@pytest.mark.parametrize("value", ["\ud800", float("nan"), {1: 2}, b"bytes"], ids=repr)
def test_content_that_is_not_json_is_refused(identifier: str, value: object) -> None:
    with pytest.raises(BadJson):
        build(identifier, content={"a": value})


@pytest.mark.parametrize("identifier", ["5", "12"])
def test_what_can_be_built_is_not_too_deep_to_be_parsed(identifier: str) -> None:
    content: dict[str, Any] = {}
    for _ in range(98):
        content = {"a": content}

    event = build(identifier, content=content)

    assert parse_event(event.raw, event.room_version).content == content
    with pytest.raises(BadJson):
        build(identifier, content={"a": content})


@pytest.mark.parametrize("identifier", ["1", "6", "11", "12"])
def test_an_event_has_at_most_65536_bytes(identifier: str) -> None:
    overhead = len(build(identifier, content={"body": ""}).raw)

    largest = build(identifier, content={"body": "x" * (65_536 - overhead)})

    assert len(largest.raw) == 65_536
    assert parse_event(largest.raw, largest.room_version).raw == largest.raw
    with pytest.raises(TooLarge):
        build(identifier, content={"body": "x" * (65_537 - overhead)})


@pytest.mark.parametrize("name", ["state_key", "event_type", "sender", "room_id"])
def test_a_field_has_at_most_255_bytes(name: str) -> None:
    build("11", **{name: "x" * 255})
    with pytest.raises(EventSizeExceeded):
        build("11", **{name: "x" * 256})
    with pytest.raises(EventSizeExceeded):
        build("11", **{name: "é" * 128})


def test_an_event_refers_to_a_bounded_number_of_others() -> None:
    references = [EventID(f"${number}") for number in range(21)]

    assert len(build("11", prev_events=references[:20]).prev_event_ids) == 20
    assert len(build("11", auth_events=references[:10]).auth_event_ids) == 10
    with pytest.raises(BadJson):
        build("11", prev_events=references)
    with pytest.raises(BadJson):
        build("11", auth_events=references[:11])


def test_versions_1_and_2_cannot_do_without_an_event_id() -> None:
    with pytest.raises(ValueError, match="needs an event ID"):
        build("1", event_id_suffix=None)
