"""The push rules that every account begins with (client-server API, "Predefined Rules").

Those that looked for names in the text of a message are gone since version 1.17 of the
specification; accounts that were brought along from elsewhere may still have them.
"""

from typing import Any, Final

from matrix.identifiers import UserID

_HIGHLIGHT: Final[dict[str, Any]] = {"set_tweak": "highlight"}


def default_push_rules(user_id: UserID) -> dict[str, Any]:
    """Return the rulesets of a new user, the content of `m.push_rules`."""
    return {
        "global": {
            "override": _override(user_id),
            "content": [],
            "room": [],
            "sender": [],
            "underride": _underride(),
        }
    }


def _override(user_id: UserID) -> list[dict[str, Any]]:
    loud = ["notify", _sound("default")]
    return [
        _rule("master", [], [], enabled=False),
        _rule("suppress_notices", [_matches("content.msgtype", "m.notice")], []),
        _rule(
            "invite_for_me",
            [
                _matches("type", "m.room.member"),
                _matches("content.membership", "invite"),
                _matches("state_key", user_id),
            ],
            loud,
        ),
        _rule("member_event", [_matches("type", "m.room.member")], []),
        _rule(
            "is_user_mention",
            [
                {
                    "kind": "event_property_contains",
                    "key": "content.m\\.mentions.user_ids",
                    "value": user_id,
                }
            ],
            [*loud, _HIGHLIGHT],
        ),
        _rule(
            "is_room_mention",
            [_is("content.m\\.mentions.room", value=True), _sender_may_notify()],
            ["notify", _HIGHLIGHT],
        ),
        _rule("tombstone", _state_event("m.room.tombstone"), ["notify", _HIGHLIGHT]),
        _rule("reaction", [_matches("type", "m.reaction")], []),
        _rule("room.server_acl", _state_event("m.room.server_acl"), []),
        _rule("suppress_edits", [_is("content.m\\.relates_to.rel_type", value="m.replace")], []),
    ]


def _underride() -> list[dict[str, Any]]:
    two_members = {"kind": "room_member_count", "is": "2"}
    encrypted = _matches("type", "m.room.encrypted")
    message = _matches("type", "m.room.message")
    return [
        _rule("call", [_matches("type", "m.call.invite")], ["notify", _sound("ring")]),
        _rule("encrypted_room_one_to_one", [two_members, encrypted], ["notify", _sound("default")]),
        _rule("room_one_to_one", [two_members, message], ["notify", _sound("default")]),
        _rule("message", [message], ["notify"]),
        _rule("encrypted", [encrypted], ["notify"]),
    ]


def _rule(
    name: str, conditions: list[dict[str, Any]], actions: list[Any], *, enabled: bool = True
) -> dict[str, Any]:
    return {
        "rule_id": f".m.rule.{name}",
        "default": True,
        "enabled": enabled,
        "conditions": conditions,
        "actions": actions,
    }


def _matches(key: str, pattern: str) -> dict[str, Any]:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def _is(key: str, *, value: str | bool) -> dict[str, Any]:
    return {"kind": "event_property_is", "key": key, "value": value}


def _state_event(event_type: str) -> list[dict[str, Any]]:
    return [_matches("type", event_type), _matches("state_key", "")]


def _sender_may_notify() -> dict[str, Any]:
    return {"kind": "sender_notification_permission", "key": "room"}


def _sound(value: str) -> dict[str, Any]:
    return {"set_tweak": "sound", "value": value}
