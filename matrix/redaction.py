"""The redaction algorithm: which keys of an event survive, by room version."""

from collections.abc import Mapping
from typing import Any, Final

from matrix.room_versions import ROOM_VERSIONS, RoomVersion

_KEPT_SINCE_11: Final = frozenset(
    {
        "auth_events",
        "content",
        "depth",
        "event_id",
        "hashes",
        "origin_server_ts",
        "prev_events",
        "room_id",
        "sender",
        "signatures",
        "state_key",
        "type",
    }
)
_KEPT_BEFORE_11: Final = _KEPT_SINCE_11 | {"membership", "origin", "prev_state"}

_POWER_LEVELS: Final = frozenset(
    {
        "ban",
        "events",
        "events_default",
        "kick",
        "redact",
        "state_default",
        "users",
        "users_default",
    }
)


def _kept_content(version: RoomVersion) -> dict[str, frozenset[str]]:
    """Return the content keys that survive, by event type; other types keep none."""
    kept: dict[str, frozenset[str]] = {
        "m.room.member": frozenset({"membership"}),
        "m.room.create": frozenset({"creator"}),
        "m.room.join_rules": frozenset({"join_rule"}),
        "m.room.power_levels": _POWER_LEVELS,
        "m.room.history_visibility": frozenset({"history_visibility"}),
    }
    if version.aliases_auth_rule:
        kept["m.room.aliases"] = frozenset({"aliases"})
    if version.redaction_keeps_join_rule_allow:
        kept["m.room.join_rules"] |= {"allow"}
    if version.redaction_keeps_join_authoriser:
        kept["m.room.member"] |= {"join_authorised_via_users_server"}
    if version.updated_redaction_rules:
        kept["m.room.power_levels"] |= {"invite"}
        kept["m.room.redaction"] = frozenset({"redacts"})
    return kept


_KEPT_CONTENT: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    identifier: _kept_content(version) for identifier, version in ROOM_VERSIONS.items()
}


def redact_content(
    event_type: object, content: Mapping[str, Any], version: RoomVersion
) -> dict[str, Any]:
    """Return what a redaction leaves of the content of an event of this type."""
    if not isinstance(event_type, str):
        return {}
    if version.updated_redaction_rules and event_type == "m.room.create":
        return dict(content)
    kept = _KEPT_CONTENT[version.identifier].get(event_type)
    if kept is None:
        return {}
    redacted = {key: value for key, value in content.items() if key in kept}
    if version.updated_redaction_rules and event_type == "m.room.member":
        invite = content.get("third_party_invite")
        # Other servers leave an empty object where `signed` is missing, and hash it.
        if isinstance(invite, Mapping):
            redacted["third_party_invite"] = (
                {"signed": invite["signed"]} if "signed" in invite else {}
            )
    return redacted


def redact(pdu: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
    """Return the redacted copy of a PDU, without `unsigned`; to redact twice changes nothing.

    A `content` that is not an object is replaced by an empty one.
    """
    kept = _KEPT_SINCE_11 if version.updated_redaction_rules else _KEPT_BEFORE_11
    redacted = {key: value for key, value in pdu.items() if key in kept}
    if "content" in redacted:
        content = redacted["content"]
        redacted["content"] = (
            redact_content(pdu.get("type"), content, version)
            if isinstance(content, Mapping)
            else {}
        )
    return redacted
