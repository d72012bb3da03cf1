"""The errors that the specification documents for the endpoints that are used most."""

from typing import Any, Final, NamedTuple
from urllib.parse import quote

from tests.system.client import PASSWORD, Homeserver, room_path

_DUMMY: Final = {"type": "m.login.dummy"}
_FORBIDDEN: Final = (403, "M_FORBIDDEN")
_NOT_FOUND: Final = (404, "M_NOT_FOUND")
_LOGIN: Final = {"type": "m.login.password", "password": PASSWORD}
_PROFILE: Final = "/profile/{alice}"


class Error(NamedTuple):
    """A request of somebody, and how it is refused; names in braces are put in."""

    who: str
    method: str
    path: str
    body: Any
    refusal: tuple[int, str | None]


ERRORS: Final = [
    Error(
        "alice",
        "POST",
        "/register",
        {"username": "{alice_name}", "password": PASSWORD, "auth": _DUMMY},
        (400, "M_USER_IN_USE"),
    ),
    Error(
        "alice",
        "POST",
        "/register",
        {"username": "A B!", "password": PASSWORD, "auth": _DUMMY},
        (400, "M_INVALID_USERNAME"),
    ),
    Error("alice", "POST", "/register", {"username": "new", "password": PASSWORD}, (401, None)),
    Error("alice", "POST", "/register?kind=guest", {}, _FORBIDDEN),
    Error("alice", "POST", "/login", {"type": "org.example.magic"}, (400, "M_UNKNOWN")),
    Error(
        "alice",
        "POST",
        "/login",
        _LOGIN | {"password": "wrong", "identifier": {"type": "m.id.user", "user": "{alice}"}},
        _FORBIDDEN,
    ),
    Error(
        "alice",
        "POST",
        "/login",
        _LOGIN | {"identifier": {"type": "m.id.user", "user": "nobody"}},
        _FORBIDDEN,
    ),
    Error("alice", "POST", "/createRoom", [], (400, "M_BAD_JSON")),
    Error(
        "alice", "POST", "/createRoom", {"room_alias_name": "{alias_name}"}, (400, "M_ROOM_IN_USE")
    ),
    Error(
        "alice",
        "POST",
        "/createRoom",
        {"room_version": "none"},
        (400, "M_UNSUPPORTED_ROOM_VERSION"),
    ),
    Error(
        "alice",
        "POST",
        "/createRoom",
        {"room_version": "10", "power_level_content_override": {"users": {"{alice}": 0}}},
        (400, "M_INVALID_ROOM_STATE"),
    ),
    Error("alice", "POST", "/createRoom", {"invite": ["{hermit}"]}, (403, "M_INVITE_BLOCKED")),
    Error("bob", "POST", "{private}/join", {}, _FORBIDDEN),
    Error("bob", "POST", "/join/{private_id}", {}, _FORBIDDEN),
    Error("bob", "POST", "/join/%23none:localhost", {}, _NOT_FOUND),
    Error("banned", "POST", "{public}/join", {}, _FORBIDDEN),
    Error(
        "alice",
        "PUT",
        "{public}/send/m.reaction/again",
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": "{event}", "key": "x"}},
        (400, "M_DUPLICATE_ANNOTATION"),
    ),
    Error("bob", "PUT", "{private}/send/m.room.message/1", {}, _FORBIDDEN),
    Error(
        "alice",
        "PUT",
        "{public}/state/m.room.canonical_alias",
        {"alias": "no alias"},
        (400, "M_INVALID_PARAM"),
    ),
    Error(
        "alice",
        "PUT",
        "{public}/state/m.room.canonical_alias",
        {"alias": "#none:localhost"},
        (400, "M_BAD_ALIAS"),
    ),
    Error("bob", "PUT", "{private}/state/m.room.name", {"name": "Mine"}, _FORBIDDEN),
    Error(
        "alice",
        "PUT",
        "{public}/state/m.room.member/{hermit_path}",
        {"membership": "invite"},
        (403, "M_INVITE_BLOCKED"),
    ),
    Error("bob", "GET", "{private}/messages?dir=b", None, _FORBIDDEN),
    Error("bob", "GET", "{private}/state", None, _FORBIDDEN),
    Error("bob", "GET", "{private}/state/m.room.name", None, _FORBIDDEN),
    Error("alice", "GET", "{private}/state/org.example.none", None, _NOT_FOUND),
    Error("bob", "GET", "{private}/members", None, _FORBIDDEN),
    Error("bob", "GET", "{private}/joined_members", None, _FORBIDDEN),
    Error("alice", "GET", "{public}/event/$none", None, _NOT_FOUND),
    Error("bob", "GET", "{private}/event/{private_event}", None, _NOT_FOUND),
    Error("alice", "PUT", f"{_PROFILE}/displayname", {}, (400, "M_MISSING_PARAM")),
    Error(
        "alice",
        "PUT",
        f"{_PROFILE}/org.example",
        {"org.example": "x" * 65_536},
        (400, "M_PROFILE_TOO_LARGE"),
    ),
    Error("alice", "PUT", f"{_PROFILE}/{'k' * 256}", {"k" * 256: 1}, (400, "M_KEY_TOO_LARGE")),
    Error("alice", "PUT", f"{_PROFILE}/No%20Key", {"No Key": 1}, (400, "M_INVALID_PARAM")),
    Error("bob", "PUT", f"{_PROFILE}/displayname", {"displayname": "Alice"}, _FORBIDDEN),
    Error("bob", "DELETE", f"{_PROFILE}/displayname", None, _FORBIDDEN),
    Error("alice", "DELETE", f"{_PROFILE}/No%20Key", None, (400, "M_INVALID_PARAM")),
    Error("alice", "GET", f"{_PROFILE}/org.example.none", None, _NOT_FOUND),
    Error("alice", "GET", "/profile/@nobody:localhost", None, _NOT_FOUND),
    Error("alice", "GET", "/profile/@nobody:localhost/displayname", None, _NOT_FOUND),
]


async def test_documented_errors_are_answered(homeserver: Homeserver) -> None:
    alice, bob, banned, hermit = await homeserver.register_all("alice", "bob", "banned", "hermit")
    blocked = {"default_action": "block"}
    data = f"/user/{hermit.user_id}/account_data/m.invite_permission_config"
    await hermit.call("PUT", data, blocked)
    alias_name = f"place{alice.user_id[1:].partition(':')[0]}"
    public_id = await alice.create_room(preset="public_chat", room_alias_name=alias_name)
    private_id = await alice.create_room(preset="private_chat")
    await alice.remove("ban", public_id, banned.user_id)
    event_id = await alice.send(public_id, "Hello")
    relates_to = {"rel_type": "m.annotation", "event_id": event_id, "key": "x"}
    reaction = f"{room_path(public_id)}/send/m.reaction/once"
    await alice.call("PUT", reaction, {"m.relates_to": relates_to})
    values = {
        "{alice}": alice.user_id,
        "{alice_name}": alice.user_id[1:].partition(":")[0],
        "{alias_name}": alias_name,
        "{hermit}": hermit.user_id,
        "{hermit_path}": quote(hermit.user_id),
        "{private}": room_path(private_id),
        "{private_id}": quote(private_id, safe=""),
        "{private_event}": await alice.send(private_id, "Secret"),
        "{public}": room_path(public_id),
        "{event}": event_id,
    }
    asking = {"alice": alice, "bob": bob, "banned": banned}
    wrong = []

    for error in ERRORS:
        path, body = _filled(error.path, values), _filled(error.body, values)
        refusal = await asking[error.who].refusal(error.method, path, body)
        if refusal != error.refusal:
            wrong.append((error.method, error.path, error.body, refusal, error.refusal))

    assert wrong == []


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, one in values.items():
            value = value.replace(name, one)
        return value
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if isinstance(value, dict):
        return {_filled(name, values): _filled(one, values) for name, one in value.items()}
    return value
