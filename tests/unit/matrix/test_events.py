"""The parsing of PDUs: their format in every room version, and what an event says of itself."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.canonical import encode_canonical
from matrix.errors import BadJson, MatrixError, TooLarge
from matrix.events import load_event, parse_event, redacted_event, redacts_of
from matrix.hashing import event_id_of, has_valid_content_hash
from matrix.room_versions import ROOM_VERSIONS, RoomVersion

HASH_ROOM = "!" + "r" * 43
V10, V12 = ROOM_VERSIONS["10"], ROOM_VERSIONS["12"]
ABSENT = ...  # its repr is the same in every process, as test IDs have to be


def pdu_of(version: RoomVersion, **fields: Any) -> dict[str, Any]:
    """Return a well-formed message, `fields` replaced, or left out if `ABSENT`."""
    reference: Any = "$other:example.org"
    pdu: dict[str, Any] = {
        "auth_events": [],
        "content": {"body": "hello"},
        "depth": 7,
        "hashes": {"sha256": "x" * 43},
        "origin_server_ts": 1_700_000_000_000,
        "prev_events": [[reference, {"sha256": "x"}] if version.has_event_id_field else reference],
        "room_id": HASH_ROOM if version.create_event_is_room_id else "!room:example.org",
        "sender": "@alice:example.org",
        "signatures": {"example.org": {"ed25519:1": "x"}},
        "type": "m.room.message",
    }
    if version.has_event_id_field:
        pdu["event_id"] = "$event:example.org"
    return {name: value for name, value in {**pdu, **fields}.items() if value is not ABSENT}


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
def test_a_well_formed_event_is_parsed_from_bytes_or_an_object(version: RoomVersion) -> None:
    pdu = pdu_of(version, state_key="x", unsigned={"age": 5})

    event = parse_event(pdu, version)

    assert event.pdu == {name: value for name, value in pdu.items() if name != "unsigned"}
    assert event.raw == encode_canonical(event.pdu)
    assert event.event_id == event_id_of(event.pdu, version)
    assert event.prev_event_ids == ("$other:example.org",)
    assert event.auth_event_ids == ()
    assert (event.type, event.state_key, event.depth) == ("m.room.message", "x", 7)
    assert event.state_tuple == ("m.room.message", "x")
    from_bytes = parse_event(json.dumps(pdu, indent=1).encode(), version)
    assert (from_bytes.event_id, from_bytes.raw) == (event.event_id, event.raw)
    assert "unsigned" in pdu


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
@pytest.mark.parametrize(
    "fields",
    [
        {"type": ABSENT},
        {"type": 1},
        {"type": "a\0"},
        {"sender": ABSENT},
        {"sender": "alice"},
        {"sender": "@alice"},
        {"sender": None},
        {"content": ABSENT},
        {"content": []},
        {"content": None},
        {"state_key": None},
        {"state_key": 1},
        {"state_key": "\0"},
        {"depth": ABSENT},
        {"depth": -1},
        {"depth": "1"},
        {"depth": True},
        {"depth": 1.0},
        {"depth": 2**63},
        {"origin_server_ts": ABSENT},
        {"origin_server_ts": "1"},
        {"origin_server_ts": None},
        {"origin_server_ts": 2**64},
        {"hashes": ABSENT},
        {"hashes": {}},
        {"hashes": {"sha256": 1}},
        {"signatures": ABSENT},
        {"signatures": []},
        {"signatures": {"a": "b"}},
        {"signatures": {"a": {"b": 1}}},
        {"prev_events": ABSENT},
        {"prev_events": {}},
        {"prev_events": [1]},
        {"prev_events": [[]]},
        {"prev_events": [["$a:b", {}, 1]]},
        {"prev_events": [["$a:b", "hash"]]},
        {"prev_events": ["no-sigil"]},
        {"auth_events": ABSENT},
        {"auth_events": [None]},
        {"auth_events": [[{}, {}]]},
        {"room_id": ABSENT},
        {"room_id": 1},
        {"room_id": "room"},
        {"room_id": "!a\0:b"},
        {"event_id": 1},
        {"content": {"a": "\ud800"}},
        {"content": {"\ud800": 1}},
        {"state_key": "\ud800"},
    ],
    ids=repr,
)
def test_an_ill_formed_event_is_refused(version: RoomVersion, fields: dict[str, Any]) -> None:
    with pytest.raises(BadJson):
        parse_event(pdu_of(version, **fields), version)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"x"', b"{", b"", b"{}"])
def test_an_event_is_a_json_object(body: bytes) -> None:
    with pytest.raises(MatrixError):
        parse_event(body, V10)


@pytest.mark.parametrize("event_id", [ABSENT, None, "event", "$event", "$event\0:example.org"])
def test_an_event_of_versions_1_and_2_has_an_event_id_with_a_server(event_id: object) -> None:
    for identifier in ("1", "2"):
        version = ROOM_VERSIONS[identifier]
        with pytest.raises(BadJson):
            parse_event(pdu_of(version, event_id=event_id), version)


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
def test_an_event_refers_to_at_most_20_and_10_others(version: RoomVersion) -> None:
    reference = pdu_of(version)["prev_events"]

    event = parse_event(
        pdu_of(version, prev_events=reference * 20, auth_events=reference * 10), version
    )

    assert (len(event.prev_event_ids), len(event.auth_event_ids)) == (20, 10)
    for fields in ({"prev_events": reference * 21}, {"auth_events": reference * 11}):
        with pytest.raises(BadJson):
            parse_event(pdu_of(version, **fields), version)


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
@pytest.mark.parametrize("name", ["type", "state_key", "room_id", "event_id"])
def test_a_field_has_at_most_255_characters(version: RoomVersion, name: str) -> None:
    sigil = {"room_id": "!", "event_id": "$a:"}.get(name, "")
    with pytest.raises(MatrixError):
        parse_event(pdu_of(version, **{name: sigil.ljust(256, "x")}), version)


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
def test_the_255_are_bytes_from_version_11_on(version: RoomVersion) -> None:
    pdu = pdu_of(version, state_key="é" * 200)

    if int(version.identifier) < 11:
        assert parse_event(pdu, version).state_key == "é" * 200
        return
    with pytest.raises(TooLarge):
        parse_event(pdu, version)


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
def test_an_event_has_at_most_65536_bytes_of_canonical_json(version: RoomVersion) -> None:
    overhead = len(encode_canonical(pdu_of(version, content={"body": ""})))
    largest = pdu_of(version, content={"body": "é" * ((65_536 - overhead) // 2)})

    assert len(parse_event(json.dumps(largest).encode(), version).raw) >= 65_535
    with pytest.raises(TooLarge):
        parse_event(pdu_of(version, content={"body": "x" * (65_537 - overhead)}), version)


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
def test_canonical_json_is_enforced_from_version_6(version: RoomVersion) -> None:
    for number in (1.5, 2**53, 2**70, 1e-7):
        pdu = pdu_of(version, content={"n": number})
        if int(version.identifier) >= 6:
            with pytest.raises(BadJson):
                parse_event(pdu, version)
            continue
        raw = parse_event(encode_canonical(pdu), version).raw
        loaded = load_event(raw, version, parse_event(pdu, version).event_id)
        assert loaded.content == {"n": number}
        assert event_id_of(loaded.pdu, version) == loaded.event_id


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
def test_the_greatest_depth_is_2_to_53_from_version_6_and_2_to_63_before(
    version: RoomVersion,
) -> None:
    greatest = 2**53 - 1 if int(version.identifier) >= 6 else 2**63 - 1

    assert parse_event(pdu_of(version, depth=greatest), version).depth == greatest
    with pytest.raises(BadJson):
        parse_event(pdu_of(version, depth=greatest + 1), version)


def test_deep_events_are_refused() -> None:
    content: Any = {}
    for _ in range(200):
        content = {"a": content}
    for identifier in ("5", "10"):
        version = ROOM_VERSIONS[identifier]
        with pytest.raises(BadJson):
            parse_event(pdu_of(version, content=content), version)


def test_in_version_12_a_create_event_has_no_room_id_and_others_have_its_hash() -> None:
    create = parse_event(pdu_of(V12, type="m.room.create", room_id=ABSENT, state_key=""), V12)

    assert create.room_id == "!" + create.event_id[1:]
    for fields in (
        {"type": "m.room.create", "state_key": ""},
        {"room_id": "!room:example.org"},
        {"room_id": ABSENT},
    ):
        with pytest.raises(BadJson):
            parse_event(pdu_of(V12, **fields), V12)


def test_senders_with_historical_localparts_are_accepted() -> None:
    for sender in ("@:example.org", "@Ü ü:example.org"):
        assert parse_event(pdu_of(V10, sender=sender), V10).sender == sender


def test_an_event_from_our_own_store_is_not_checked() -> None:
    oversized = pdu_of(V10, content={"body": "x" * 70_000}, prev_events=["$x"] * 30)

    assert len(parse_event(oversized, V10, trusted=True).prev_event_ids) == 30
    raw = encode_canonical(oversized)
    loaded = load_event(raw, V10, event_id_of(oversized, V10))
    assert loaded.raw is raw
    assert loaded.pdu == oversized
    assert loaded.event_id == parse_event(oversized, V10, trusted=True).event_id


def test_only_state_events_have_a_place_in_the_state() -> None:
    message = parse_event(pdu_of(V10), V10)
    state = parse_event(pdu_of(V10, state_key=""), V10)

    assert not message.is_state
    assert state.is_state
    with pytest.raises(ValueError, match="not a state event"):
        _ = message.state_tuple


@pytest.mark.parametrize(
    ("event_type", "content", "membership"),
    [
        ("m.room.member", {"membership": "join"}, "join"),
        ("m.room.member", {"membership": 1}, None),
        ("m.room.member", {}, None),
        ("m.room.message", {"membership": "join"}, None),
    ],
)
def test_only_member_events_have_a_membership(
    event_type: str, content: dict[str, Any], membership: str | None
) -> None:
    event = parse_event(pdu_of(V10, type=event_type, content=content), V10)

    assert event.membership == membership


def test_a_redaction_names_its_target_by_version() -> None:
    for version in (V10, V12):
        fields = {"redacts": "$top", "content": {"redacts": "$content"}}
        redaction = parse_event(pdu_of(version, type="m.room.redaction", **fields), version)
        message = parse_event(pdu_of(version, **fields), version)
        nameless = parse_event(
            pdu_of(version, type="m.room.redaction", redacts=1, content={"redacts": 1}), version
        )

        assert redacts_of(redaction) == ("$top" if version is V10 else "$content")
        assert redacts_of(message) is None
        assert redacts_of(nameless) is None


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
def test_the_redacted_copy_keeps_the_event_id(version: RoomVersion) -> None:
    event = parse_event(pdu_of(version), version)

    redacted = redacted_event(event)

    assert redacted.event_id == event.event_id == event_id_of(redacted.pdu, version)
    assert redacted.content == {}
    assert parse_event(redacted.raw, version).event_id == event.event_id


@pytest.mark.parametrize("sha256", ["x" * 43, "!", "", "é", None, 1])
def test_a_content_hash_that_does_not_fit_is_noticed(sha256: object) -> None:
    assert not has_valid_content_hash(pdu_of(V10, hashes={"sha256": sha256}))
    assert not has_valid_content_hash(pdu_of(V10, hashes=[]))
    assert not has_valid_content_hash(pdu_of(V10, hashes=ABSENT))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**60, 2**70)
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["$a:b", "!a:b", "@a:b", "m.room.create"]),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(st.characters()), children, max_size=4)
    ),
    max_leaves=8,
)
field_names = sorted(set(pdu_of(ROOM_VERSIONS["1"])) | {"state_key", "unsigned", "redacts"})


@settings(deadline=None, max_examples=500)
@given(
    version=st.sampled_from(list(ROOM_VERSIONS.values())),
    fields=st.dictionaries(st.sampled_from(field_names), values | st.just(ABSENT), max_size=3),
)
def test_a_damaged_event_is_parsed_or_refused(version: RoomVersion, fields: dict[str, Any]) -> None:
    try:
        event = parse_event(pdu_of(version, **fields), version)
    except MatrixError:
        return
    assert parse_event(event.raw, version).event_id == event.event_id
    assert load_event(event.raw, version, event.event_id).pdu == event.pdu


@settings(deadline=None)
@given(version=st.sampled_from(list(ROOM_VERSIONS.values())), value=values | st.binary())
def test_anything_at_all_is_parsed_or_refused(version: RoomVersion, value: Any) -> None:
    if not isinstance(value, bytes | Mapping):
        value = json.dumps(value).encode()
    with pytest.raises(MatrixError):
        parse_event(value, version)


def test_an_event_describes_itself() -> None:
    event = parse_event(pdu_of(V10), V10)

    assert event.event_id in repr(event)
    assert orjson.loads(event.raw) == event.pdu
