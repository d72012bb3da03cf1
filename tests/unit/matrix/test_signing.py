"""Signatures of JSON objects and of events."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.building import build_event
from matrix.errors import BadJson, InvalidParam, MatrixError
from matrix.events import Event, parse_event
from matrix.identifiers import RoomID
from matrix.room_versions import ROOM_VERSIONS
from matrix.signing import (
    SignatureInvalid,
    SigningKey,
    cosign_event,
    decode_verify_key,
    key_ids_of,
    required_signers,
    sign_event,
    sign_json,
    verify_event_signature,
    verify_json,
)
from matrix.unpadded_base64 import (
    decode_base64,
    decode_base64_url_safe,
    encode_base64,
    encode_base64_url_safe,
)

VECTORS = Path(__file__).parents[2] / "vectors"
JSON_SIGNING = json.loads((VECTORS / "json_signing.json").read_text())
EVENT_SIGNING = json.loads((VECTORS / "event_signing.json").read_text())
BASE64 = json.loads((VECTORS / "unpadded_base64.json").read_text())

KEY = SigningKey.generate("a1", b"\x01" * 32)
OTHER_KEY = SigningKey.generate("b2", b"\x02" * 32)


def key_of(vectors: dict[str, str]) -> SigningKey:
    return SigningKey.from_text(f"ed25519 1 {vectors['seed']}")


def member_event(
    identifier: str, membership: str, content: dict[str, Any], suffix: str = "1"
) -> Event:
    hashed = ROOM_VERSIONS[identifier].create_event_is_room_id
    return build_event(
        version=ROOM_VERSIONS[identifier],
        room_id=RoomID("!" + "a" * 43 if hashed else "!room:alice.example"),
        type="m.room.member",
        sender="@alice:alice.example",
        state_key="@alice:alice.example",
        content={"membership": membership, **content},
        origin_server_ts=1,
        depth=1,
        prev_events=[],
        auth_events=[],
        server_name="alice.example",
        key=KEY,
        event_id_suffix=suffix,
    )


@pytest.mark.parametrize("case", JSON_SIGNING["cases"])
def test_the_specification_s_objects_get_its_signatures(case: dict[str, Any]) -> None:
    key = key_of(JSON_SIGNING)

    signed = sign_json(case["object"], "domain", key)

    assert signed == {
        **case["object"],
        "signatures": {"domain": {"ed25519:1": case["signature"]}},
    }
    verify_json(signed, "domain", "ed25519:1", key.verify_key)


@pytest.mark.parametrize("case", EVENT_SIGNING["cases"])
def test_the_specification_s_events_get_its_hashes_and_signatures(case: dict[str, Any]) -> None:
    version = ROOM_VERSIONS[case["room_version"]]

    signed = sign_event(case["event"], version, "domain", key_of(EVENT_SIGNING))

    assert signed == {
        **case["event"],
        "hashes": {"sha256": case["sha256"]},
        "signatures": {"domain": {"ed25519:1": case["signature"]}},
    }


@pytest.mark.parametrize("case", BASE64["cases"])
def test_base64_is_unpadded_and_read_with_or_without_padding(case: dict[str, str]) -> None:
    text, encoded = case["text"].encode(), case["base64"]

    assert encode_base64(text) == encoded
    assert decode_base64(encoded) == text
    assert decode_base64(encoded + "=" * (-len(encoded) % 4)) == text


@pytest.mark.parametrize("text", ["a", "ab!d", "é", "a b", "\ud800", "A" * 5])
def test_other_text_is_not_base64(text: str) -> None:
    with pytest.raises(BadJson):
        decode_base64(text)


def test_a_signing_key_is_written_and_read_as_text() -> None:
    key = SigningKey.from_text(KEY.to_text())

    assert key.key_id == "ed25519:a1"
    assert key.verify_key == KEY.verify_key
    assert key.sign(b"x") == KEY.sign(b"x")
    assert KEY.to_text().startswith("ed25519 a1 ")
    assert KEY.to_text().split()[2] not in repr(KEY)


@pytest.mark.parametrize(
    "text",
    ["", "ed25519 1", "rsa 1 AAAA", "ed25519 1 AAAA", "ed25519 1 !!!", "ed25519 a:b " + "A" * 43],
)
def test_other_texts_are_no_signing_key(text: str) -> None:
    with pytest.raises(InvalidParam):
        SigningKey.from_text(text)


def test_a_public_key_is_base64_of_32_bytes() -> None:
    assert decode_verify_key(encode_base64(KEY.verify_key)) == KEY.verify_key
    for text in ("", "!", "AAAA"):
        with pytest.raises(InvalidParam):
            decode_verify_key(text)


def test_signing_adds_to_the_signatures_present_and_does_not_cover_unsigned() -> None:
    obj = {"a": 1, "unsigned": {"age": 1}, "signatures": {"bob.example": {"ed25519:x": "s"}}}

    signed = sign_json(sign_json(obj, "alice.example", KEY), "alice.example", OTHER_KEY)

    assert set(signed["signatures"]) == {"alice.example", "bob.example"}
    assert key_ids_of(signed, "alice.example") == ["ed25519:a1", "ed25519:b2"]
    changed = {**signed, "unsigned": {"age": 2}}
    verify_json(changed, "alice.example", KEY.key_id, KEY.verify_key)
    verify_json(changed, "alice.example", OTHER_KEY.key_id, OTHER_KEY.verify_key)
    assert obj["signatures"] == {"bob.example": {"ed25519:x": "s"}}


def test_a_wrong_signature_is_refused() -> None:
    signed = sign_json({"a": 1}, "alice.example", KEY)
    with pytest.raises(SignatureInvalid):
        verify_json({**signed, "a": 2}, "alice.example", KEY.key_id, KEY.verify_key)
    with pytest.raises(SignatureInvalid):
        verify_json(signed, "alice.example", KEY.key_id, OTHER_KEY.verify_key)
    with pytest.raises(SignatureInvalid):
        verify_json(signed, "bob.example", KEY.key_id, KEY.verify_key)
    with pytest.raises(SignatureInvalid):
        verify_json(signed, "alice.example", "ed25519:other", KEY.verify_key)
    with pytest.raises(SignatureInvalid):
        verify_json(signed, "alice.example", KEY.key_id, b"short")


@settings(deadline=None)
@given(
    st.none()
    | st.integers()
    | st.text()
    | st.dictionaries(
        st.sampled_from(["alice.example", "b"]),
        st.none()
        | st.dictionaries(
            st.sampled_from([KEY.key_id, "x"]), st.none() | st.text() | st.integers()
        ),
    )
)
def test_no_made_up_signatures_verify(signatures: Any) -> None:
    obj = {"a": 1, "signatures": signatures}

    with pytest.raises(SignatureInvalid):
        verify_json(obj, "alice.example", KEY.key_id, KEY.verify_key)
    assert all(key_id.startswith("ed25519:") for key_id in key_ids_of(obj, "alice.example"))


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_a_second_server_can_sign_an_event_without_changing_its_id(identifier: str) -> None:
    event = member_event(identifier, "join", {})

    cosigned = cosign_event(event, "bob.example", OTHER_KEY)

    assert parse_event(cosigned.raw, event.room_version).event_id == event.event_id
    verify_event_signature(cosigned, "alice.example", KEY.key_id, KEY.verify_key)
    verify_event_signature(cosigned, "bob.example", OTHER_KEY.key_id, OTHER_KEY.verify_key)
    with pytest.raises(SignatureInvalid):
        verify_event_signature(event, "bob.example", OTHER_KEY.key_id, OTHER_KEY.verify_key)


def test_signing_again_keeps_hashes_of_other_algorithms() -> None:
    event = member_event("10", "join", {})
    pdu = {**event.pdu, "hashes": {"sha3": "x", "sha256": "wrong"}}

    signed = sign_event(pdu, event.room_version, "alice.example", KEY)

    assert signed["hashes"] == {**event.pdu["hashes"], "sha3": "x"}


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_the_sender_s_server_has_to_sign(identifier: str) -> None:
    assert required_signers(member_event(identifier, "join", {})) == {"alice.example"}


@pytest.mark.parametrize("identifier", ["1", "2"])
def test_the_server_of_the_event_id_has_to_sign_in_versions_1_and_2(identifier: str) -> None:
    event = member_event(identifier, "join", {})
    moved = Event({**event.pdu, "event_id": "$x:carol.example"}, event.room_version)

    assert required_signers(moved) == {"alice.example", "carol.example"}


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_the_server_that_authorised_a_restricted_join_has_to_sign(identifier: str) -> None:
    content = {"join_authorised_via_users_server": "@bob:bob.example"}

    join = required_signers(member_event(identifier, "join", content))
    leave = required_signers(member_event(identifier, "leave", content))

    assert join - {"alice.example"} == ({"bob.example"} if int(identifier) >= 8 else set())
    assert leave == {"alice.example"}


@pytest.mark.parametrize("authoriser", [1, "bob", "", ["@bob:bob.example"]])
def test_an_authoriser_that_is_no_user_id_is_refused(authoriser: object) -> None:
    event = member_event("10", "join", {"join_authorised_via_users_server": authoriser})

    with pytest.raises(MatrixError):
        required_signers(event)


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_a_third_party_invite_needs_no_signature_of_the_sender_s_server(identifier: str) -> None:
    invite = member_event(identifier, "invite", {"third_party_invite": {"signed": {}}})
    join = member_event(identifier, "join", {"third_party_invite": {"signed": {}}})

    assert required_signers(invite) == ({"alice.example"} if int(identifier) <= 2 else set())
    assert required_signers(join) == {"alice.example"}


@pytest.mark.parametrize("length", range(7))
def test_what_is_encoded_url_safe_is_decoded(length: int) -> None:
    data = b"\xfb\xff\xfe\x00\x3e\x3f"[:length]

    text = encode_base64_url_safe(data)

    assert not set(text) & set("+/=")
    assert decode_base64_url_safe(text) == data


@pytest.mark.parametrize("text", ["Zm9v=", "Zm+v", "Zm/v", "Z", "Zm 9v", "Zm9é"])
def test_text_that_is_not_url_safe_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (of several kinds)
        decode_base64_url_safe(text)
