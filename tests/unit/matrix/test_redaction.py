"""The redaction algorithm in every room version."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.redaction import redact, redact_content
from matrix.room_versions import ROOM_VERSIONS, RoomVersion

OLD = [str(number) for number in range(1, 11)]
NEW = ["11", "12"]

KEPT_TYPES = [
    "m.room.member",
    "m.room.create",
    "m.room.join_rules",
    "m.room.power_levels",
    "m.room.history_visibility",
    "m.room.aliases",
    "m.room.redaction",
]
CONTENT_KEYS = [
    "membership",
    "join_authorised_via_users_server",
    "third_party_invite",
    "creator",
    "join_rule",
    "allow",
    "users",
    "invite",
    "notifications",
    "history_visibility",
    "aliases",
    "redacts",
    "body",
]
TOP_LEVEL_KEYS = [
    "auth_events",
    "depth",
    "event_id",
    "hashes",
    "membership",
    "origin",
    "origin_server_ts",
    "prev_events",
    "prev_state",
    "redacts",
    "room_id",
    "sender",
    "signatures",
    "state_key",
    "unsigned",
    "org.example",
]
json_values = st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers())


def kept(identifier: str, event_type: str, content: dict[str, Any]) -> dict[str, Any]:
    return redact_content(event_type, content, ROOM_VERSIONS[identifier])


@pytest.mark.parametrize("identifier", OLD)
def test_old_versions_keep_origin_membership_and_prev_state(identifier: str) -> None:
    pdu = {**dict.fromkeys(TOP_LEVEL_KEYS, 1), "type": "m.room.message", "content": {"body": "hi"}}

    redacted = redact(pdu, ROOM_VERSIONS[identifier])

    assert set(pdu) - set(redacted) == {"redacts", "unsigned", "org.example"}
    assert redacted["content"] == {}


@pytest.mark.parametrize("identifier", NEW)
def test_new_versions_drop_origin_membership_and_prev_state(identifier: str) -> None:
    pdu = {**dict.fromkeys(TOP_LEVEL_KEYS, 1), "type": "m.room.message", "content": {"body": "hi"}}

    redacted = redact(pdu, ROOM_VERSIONS[identifier])

    assert set(pdu) - set(redacted) == {
        "membership",
        "org.example",
        "origin",
        "prev_state",
        "redacts",
        "unsigned",
    }


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_power_levels_keep_invite_from_version_11_and_notifications_never(identifier: str) -> None:
    always = dict.fromkeys(
        [
            "ban",
            "events",
            "events_default",
            "kick",
            "redact",
            "state_default",
            "users",
            "users_default",
        ],
        1,
    )

    content = kept(
        identifier, "m.room.power_levels", {**always, "invite": 1, "notifications": 1, "x": 1}
    )

    assert content == (always | {"invite": 1} if identifier in NEW else always)


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_aliases_are_kept_up_to_version_5(identifier: str) -> None:
    content = kept(identifier, "m.room.aliases", {"aliases": [], "x": 1})

    assert content == ({"aliases": []} if int(identifier) <= 5 else {})


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_join_rules_keep_allow_from_version_8(identifier: str) -> None:
    content = kept(identifier, "m.room.join_rules", {"join_rule": "x", "allow": [], "y": 1})

    assert content == (
        {"join_rule": "x", "allow": []} if int(identifier) >= 8 else {"join_rule": "x"}
    )


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_members_keep_the_authoriser_from_version_9_and_signed_invites_from_11(
    identifier: str,
) -> None:
    expected: dict[str, Any] = {"membership": "join"}
    if int(identifier) >= 9:
        expected["join_authorised_via_users_server"] = "@a:b"
    if int(identifier) >= 11:
        expected["third_party_invite"] = {"signed": {"token": "t"}}

    content = kept(
        identifier,
        "m.room.member",
        {
            "membership": "join",
            "displayname": "Alice",
            "join_authorised_via_users_server": "@a:b",
            "third_party_invite": {"signed": {"token": "t"}, "display_name": "a"},
        },
    )

    assert content == expected


@pytest.mark.parametrize("identifier", NEW)
def test_a_third_party_invite_without_signed_leaves_an_empty_object(identifier: str) -> None:
    assert kept(identifier, "m.room.member", {"third_party_invite": {"display_name": "a"}}) == {
        "third_party_invite": {}
    }
    assert kept(identifier, "m.room.member", {"third_party_invite": "x"}) == {}


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_create_events_keep_creator_or_everything_from_version_11(identifier: str) -> None:
    content = {"creator": "@a:b", "room_version": identifier, "m.federate": False}

    assert kept(identifier, "m.room.create", content) == (
        content if identifier in NEW else {"creator": "@a:b"}
    )


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_redactions_keep_what_they_redact_from_version_11(identifier: str) -> None:
    content = kept(identifier, "m.room.redaction", {"redacts": "$a", "reason": "spam"})

    assert content == ({"redacts": "$a"} if identifier in NEW else {})


@pytest.mark.parametrize("identifier", ROOM_VERSIONS)
def test_history_visibility_is_kept_and_other_types_keep_nothing(identifier: str) -> None:
    content = {"history_visibility": "joined", "body": "x"}

    assert kept(identifier, "m.room.history_visibility", content) == {
        "history_visibility": "joined"
    }
    assert kept(identifier, "m.room.message", content) == {}
    assert kept(identifier, "", content) == {}


@settings(deadline=None)
@given(
    version=st.sampled_from(list(ROOM_VERSIONS.values())),
    pdu=st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from([*KEPT_TYPES, "m.room.message"]) | json_values,
            "content": st.dictionaries(st.sampled_from(CONTENT_KEYS) | st.text(), json_values)
            | json_values,
            **dict.fromkeys(TOP_LEVEL_KEYS, json_values),
        },
    ),
)
def test_redacting_twice_is_redacting_once_and_leaves_the_original(
    version: RoomVersion, pdu: dict[str, Any]
) -> None:
    before = repr(pdu)

    redacted = redact(pdu, version)

    assert redact(redacted, version) == redacted
    assert set(redacted) <= set(pdu)
    assert "unsigned" not in redacted
    assert repr(pdu) == before
