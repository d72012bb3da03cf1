"""Requests that a server has to refuse, one per line, with how it refuses them.

Paths start after `/_matrix/client/v3` unless they start with `/_`; `{room}`, `{alice}`, `{event}`
and `{number}` are filled in, the last one differently each time.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

_SHAPE: Final = "M_BAD_JSON M_INVALID_PARAM"
_ID: Final = "M_INVALID_PARAM M_BAD_JSON M_NOT_FOUND M_FORBIDDEN"
_JSON: Final = "M_NOT_JSON M_BAD_JSON"
_ABSENT: Final = "M_MISSING_PARAM M_BAD_JSON"
_RULES: Final = "M_BAD_JSON M_INVALID_PARAM M_FORBIDDEN M_MISSING_PARAM"
_SIZE: Final = "M_TOO_LARGE M_INVALID_PARAM"

Json = Any


class BadRequest(NamedTuple):
    """A request, and the errcodes (one of these words) and statuses that fit it."""

    method: str
    path: str
    body: Json
    """Bytes are sent as they are, `None` sends nothing, anything else is sent as JSON."""
    errcodes: str
    statuses: tuple[int, ...] = (400,)

    def __str__(self) -> str:
        """Name the case in a test report."""
        shown = self.body if isinstance(self.body, bytes) else repr(self.body)
        return f"{self.method} {self.path[:60]} {shown[:60]!r}"


SEND: Final = "/rooms/{room}/send/m.room.message/n{number}"
STATE: Final = "/rooms/{room}/state"
_NAME: Final = "/profile/{alice}/displayname"
FILTER: Final = "/user/{alice}/filter"
LOGIN: Final[dict[str, Json]] = {
    "type": "m.login.password",
    "identifier": {"type": "m.id.user", "user": "nobody"},
    "password": "guess",
}
REGISTER: Final[dict[str, Json]] = {
    "username": "somebody{number}",
    "password": "long enough",
    "auth": {"type": "m.login.dummy"},
}

# What a field holds, and values of other types than that.
_WRONG: Final[dict[str, list[Json]]] = {
    "string": [7, True, ["x"], {"x": "y"}],
    "boolean": [7, "true", [True], {}],
    "object": [7, "x", True, [{}]],
    "strings": [7, "x", True, {}, [7], [["x"]], [{}]],
    "objects": [7, "x", True, {}, [7], ["x"], [[]]],
    "number": ["x", True, [1], {}, 1.5, -1],
}

# For each endpoint a body that has its required fields, and the types of its fields.
_FIELDS: Final[list[tuple[str, str, dict[str, Json], dict[str, str]]]] = [
    (
        "POST",
        "/createRoom",
        {},
        {
            "visibility": "string",
            "room_alias_name": "string",
            "name": "string",
            "topic": "string",
            "invite": "strings",
            "invite_3pid": "objects",
            "room_version": "string",
            "creation_content": "object",
            "initial_state": "objects",
            "preset": "string",
            "is_direct": "boolean",
            "power_level_content_override": "object",
        },
    ),
    ("POST", "/join/{room}", {}, {"reason": "string"}),
    ("POST", "/rooms/{room}/join", {}, {"reason": "string"}),
    ("POST", "/rooms/{room}/leave", {}, {"reason": "string"}),
    ("POST", "/rooms/{room}/invite", {"user_id": "@x:y"}, {"user_id": "string"}),
    ("POST", "/rooms/{room}/invite", {"user_id": "@x:y"}, {"reason": "string"}),
    ("POST", "/rooms/{room}/kick", {"user_id": "@x:y"}, {"user_id": "string", "reason": "string"}),
    ("POST", "/rooms/{room}/ban", {"user_id": "@x:y"}, {"user_id": "string", "reason": "string"}),
    ("POST", "/rooms/{room}/unban", {"user_id": "@x:y"}, {"user_id": "string", "reason": "string"}),
    ("PUT", "/rooms/{room}/redact/{event}/n{number}", {}, {"reason": "string"}),
    (
        "POST",
        "/login",
        LOGIN,
        {
            "type": "string",
            "identifier": "object",
            "password": "string",
            "device_id": "string",
            "initial_device_display_name": "string",
            "refresh_token": "boolean",
        },
    ),
    (
        "POST",
        "/register",
        REGISTER,
        {
            "username": "string",
            "password": "string",
            "auth": "object",
            "device_id": "string",
            "initial_device_display_name": "string",
            "inhibit_login": "boolean",
            "refresh_token": "boolean",
        },
    ),
    (
        "POST",
        FILTER,
        {},
        {
            "event_fields": "strings",
            "event_format": "string",
            "account_data": "object",
            "presence": "object",
            "room": "object",
        },
    ),
    ("PUT", _NAME, {}, {"displayname": "string"}),
    ("PUT", "/profile/{alice}/avatar_url", {}, {"avatar_url": "string"}),
]

_FILTER_PARTS: Final[dict[str, str]] = {
    "limit": "number",
    "types": "strings",
    "not_types": "strings",
    "senders": "strings",
    "not_senders": "strings",
    "rooms": "strings",
    "not_rooms": "strings",
    "contains_url": "boolean",
    "lazy_load_members": "boolean",
    "include_redundant_members": "boolean",
    "unread_thread_notifications": "boolean",
}


def wrong_types() -> Iterator[BadRequest]:
    """Give every field of every endpoint every kind of value that it cannot hold."""
    for method, path, body, fields in _FIELDS:
        for field, kind in fields.items():
            for value in _WRONG[kind]:
                yield BadRequest(method, path, body | {field: value}, _SHAPE)
    for field, kind in _FILTER_PARTS.items():
        for value in _WRONG[kind]:
            part = {"room": {"timeline": {field: value}}}
            yield BadRequest("POST", FILTER, part, _SHAPE)
    for method, path in BODIES:
        for value in (7, "x", True, None, [{}], 1.5):
            yield BadRequest(method, path, b"null" if value is None else value, _SHAPE)


# The endpoints that take an object.
BODIES: Final[list[tuple[str, str]]] = [
    ("POST", "/createRoom"),
    ("PUT", SEND),
    ("PUT", STATE + "/m.room.topic"),
    ("PUT", "/rooms/{room}/redact/{event}/n{number}"),
    ("POST", "/rooms/{room}/invite"),
    ("POST", "/rooms/{room}/kick"),
    ("POST", "/join/{room}"),
    ("POST", "/login"),
    ("POST", "/register"),
    ("POST", FILTER),
    ("PUT", _NAME),
    ("PUT", "/user/{alice}/account_data/org.example"),
]

_BROKEN: Final[list[bytes]] = [
    b"{",
    b"}",
    b"{'a': 1}",
    b'{"a": }',
    b'{"a": 1',
    b'{"a": 1}}',
    b'{"a": 1} x',
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": 01}',
    b'{"a": "\\ud800"}',
    b'{"a": "\\udc00 \\ud800"}',
    b'{"\\ud800": 1}',
    b'{"a": "\xff\xfe"}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": "\n"}',
    b'{"a": "\x00"}',
    b"\xef\xbb\xbf{}",
    b"\x00",
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"a":' + b"[" * 100_000,
]


def broken_json() -> Iterator[BadRequest]:
    """Give every endpoint that takes an object every kind of broken JSON."""
    for method, path in BODIES:
        for body in _BROKEN:
            yield BadRequest(method, path, body, _JSON)


LIMITS: Final[list[BadRequest]] = [
    BadRequest("PUT", SEND, {"body": "x" * 65_536}, _SIZE, (413,)),
    BadRequest("PUT", SEND, {"body": "\U0001f407" * 16_384}, _SIZE, (413,)),
    BadRequest("PUT", SEND, {"x" * 65_536: 1}, _SIZE, (413,)),
    BadRequest("PUT", STATE + "/m.room.topic", {"topic": "x" * 65_536}, _SIZE, (413,)),
    BadRequest("POST", "/createRoom", {"topic": "x" * 65_536}, _SIZE, (400, 413)),
    BadRequest("PUT", SEND, b'{"body": "' + b"x" * 2_000_000 + b'"}', _SIZE, (413,)),
    BadRequest("POST", "/createRoom", b" " * 2_000_000, _SIZE, (413,)),
    BadRequest("POST", "/login", b" " * 2_000_000, _SIZE, (413,)),
    BadRequest("PUT", "/rooms/{room}/send/" + "t" * 256 + "/n{number}", {}, _SIZE, (400, 413)),
    BadRequest("PUT", STATE + "/org.example/" + "k" * 256, {}, _SIZE, (400, 413)),
    BadRequest("PUT", STATE + "/org.example/" + "%C3%A4" * 128, {}, _SIZE, (400, 413)),
    BadRequest("PUT", SEND, {"n": 2**53}, _SHAPE),
    BadRequest("PUT", SEND, {"n": -(2**53)}, _SHAPE),
    BadRequest("PUT", SEND, b'{"n": 123456789012345678901234567890}', _SHAPE),
    BadRequest("PUT", SEND, {"n": 1.5}, _SHAPE),
    BadRequest("PUT", SEND, b'{"n": 1e400}', _JSON),
    BadRequest("PUT", SEND, b'{"n": 1.0}', _SHAPE),
    BadRequest("PUT", STATE + "/m.room.topic", {"topic": [{"n": 0.1}]}, _SHAPE),
    BadRequest("POST", "/createRoom", {"creation_content": {"n": 0.1}}, _SHAPE),
    BadRequest("PUT", _NAME, {"displayname": "x" * 70_000}, _SIZE, (400, 413)),
    BadRequest("POST", "/register", REGISTER | {"username": "u" * 255}, "M_INVALID_USERNAME"),
]

STRANGE_VALUES: Final[list[BadRequest]] = [
    BadRequest("POST", "/createRoom", {"preset": "castle"}, _SHAPE),
    BadRequest("POST", "/createRoom", {"visibility": "hidden"}, _SHAPE),
    BadRequest("POST", "/createRoom", {"room_version": "x"}, "M_UNSUPPORTED_ROOM_VERSION"),
    BadRequest("POST", "/createRoom", {"room_version": ""}, "M_UNSUPPORTED_ROOM_VERSION"),
    BadRequest("POST", "/createRoom", {"invite": ["bob"]}, _ID),
    BadRequest("POST", "/createRoom", {"invite": [""]}, _ID),
    BadRequest("POST", "/createRoom", {"invite": ["@" + "x" * 300 + ":y"]}, _ID),
    BadRequest("POST", "/createRoom", {"room_alias_name": "a:b"}, _ID),
    BadRequest("POST", "/createRoom", {"room_alias_name": "x" * 300}, _ID),
    BadRequest("POST", "/createRoom", {"room_alias_name": "a\0b"}, _ID),
    BadRequest("POST", "/createRoom", {"initial_state": [{}]}, _ABSENT),
    BadRequest("POST", "/createRoom", {"initial_state": [{"type": 7, "content": {}}]}, _SHAPE),
    BadRequest("POST", "/createRoom", {"initial_state": [{"type": "x", "content": 7}]}, _SHAPE),
    BadRequest(
        "POST",
        "/createRoom",
        {"initial_state": [{"type": "m.room.power_levels", "content": {"users": 7}}]},
        _RULES + " M_INVALID_ROOM_STATE",
        (400, 403),
    ),
    BadRequest(
        "POST",
        "/createRoom",
        {"power_level_content_override": {"users": {"alice": "much"}}},
        _RULES + " M_INVALID_ROOM_STATE",
        (400, 403),
    ),
    BadRequest(
        "POST",
        "/createRoom",
        {"room_version": "12", "creation_content": {"additional_creators": "bob"}},
        _RULES,
        (400, 403),
    ),
    BadRequest(
        "POST",
        "/createRoom",
        {"room_version": "12", "creation_content": {"additional_creators": ["bob"]}},
        _RULES,
        (400, 403),
    ),
    BadRequest("POST", "/rooms/{room}/invite", {}, _ABSENT),
    BadRequest("POST", "/rooms/{room}/invite", {"user_id": "bob"}, _ID),
    BadRequest("POST", "/rooms/{room}/invite", {"user_id": "@bob"}, _ID),
    BadRequest("POST", "/rooms/{room}/invite", {"user_id": "@a\0b:localhost"}, _ID),
    BadRequest("POST", "/rooms/{room}/kick", {}, _ABSENT),
    BadRequest("POST", "/rooms/{room}/kick", {"user_id": "@no.such:localhost"}, _ID, (403, 404)),
    BadRequest("POST", "/rooms/{room}/ban", {"user_id": "x"}, _ID),
    BadRequest("PUT", STATE + "/m.room.member/{alice}", {"membership": 7}, _RULES, (400, 403)),
    BadRequest("PUT", STATE + "/m.room.member/{alice}", {}, _RULES, (400, 403)),
    BadRequest("PUT", STATE + "/m.room.member/alice", {"membership": "join"}, _RULES, (400, 403)),
    BadRequest("PUT", STATE + "/m.room.member", {"membership": "join"}, _RULES, (400, 403)),
    BadRequest("PUT", STATE + "/m.room.power_levels", {"users": "all"}, _RULES, (400, 403)),
    BadRequest("PUT", STATE + "/m.room.power_levels", {"ban": "50"}, _RULES, (400, 403)),
    BadRequest("PUT", STATE + "/m.room.power_levels", {"users": {"x": 1}}, _RULES, (400, 403)),
    BadRequest("PUT", STATE + "/m.room.create", {}, _RULES, (400, 403)),
    BadRequest("PUT", STATE + "/org.example/@bob:localhost", {}, _RULES, (400, 403)),
    BadRequest(
        "PUT",
        STATE + "/m.room.canonical_alias",
        {"alias": "#no.such:localhost"},
        "M_BAD_ALIAS M_INVALID_PARAM",
        (400, 409),
    ),
    BadRequest("POST", "/login", {}, _ABSENT),
    BadRequest("POST", "/login", {"type": "m.login.magic"}, "M_UNKNOWN M_INVALID_PARAM"),
    BadRequest("POST", "/login", LOGIN, "M_FORBIDDEN", (403,)),
    BadRequest("POST", "/login", LOGIN | {"password": "\0"}, "M_FORBIDDEN", (403,)),
    BadRequest("POST", "/login", LOGIN | {"password": "x" * 100_000}, _RULES, (400, 403)),
    BadRequest("POST", "/login", LOGIN | {"identifier": {}}, _RULES, (400, 403)),
    BadRequest(
        "POST",
        "/login",
        LOGIN | {"identifier": {"type": "m.id.user", "user": 7}},
        _SHAPE,
    ),
    BadRequest(
        "POST",
        "/login",
        LOGIN | {"identifier": {"type": "m.id.user", "user": "@a\0:b:c"}},
        _RULES,
        (400, 403),
    ),
    BadRequest("POST", "/login", LOGIN | {"device_id": "a\0b"}, _RULES, (400, 403)),
    BadRequest("POST", "/register", REGISTER | {"username": "Mad Hatter"}, "M_INVALID_USERNAME"),
    BadRequest("POST", "/register", REGISTER | {"username": "a\0b"}, "M_INVALID_USERNAME"),
    BadRequest("POST", "/register", REGISTER | {"username": "@a:b"}, "M_INVALID_USERNAME"),
    BadRequest("POST", "/register", REGISTER | {"username": ""}, "M_INVALID_USERNAME"),
    BadRequest("POST", "/register", REGISTER | {"password": "short"}, "M_WEAK_PASSWORD"),
    BadRequest("POST", "/register?kind=ghost", REGISTER, "M_INVALID_PARAM M_UNKNOWN"),
    BadRequest("POST", FILTER, {"event_format": "xml"}, _SHAPE),
    BadRequest("POST", FILTER, {"room": {"timeline": {"types": [None]}}}, _SHAPE),
    BadRequest("POST", FILTER, {"room": {"timeline": 7}}, _SHAPE),
    BadRequest("POST", FILTER, {"room": {"state": []}}, _SHAPE),
    BadRequest("POST", "/user/@bob:localhost/filter", {}, "M_FORBIDDEN", (403,)),
    BadRequest("PUT", "/user/@bob:localhost/account_data/x", {}, "M_FORBIDDEN", (403,)),
    BadRequest(
        "PUT", "/profile/@bob:localhost/displayname", {"displayname": "x"}, "M_FORBIDDEN", (403,)
    ),
]

QUERIES: Final[list[BadRequest]] = [
    BadRequest("GET", "/sync?timeout=soon", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/sync?timeout=1.5", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/sync?timeout=-1", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/sync?timeout=%D9%A1", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/sync?timeout=" + "9" * 5000, None, "M_INVALID_PARAM"),
    BadRequest("GET", "/sync?full_state=maybe", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/sync?set_presence=asleep", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/sync?since=nonsense", None, "M_INVALID_PARAM M_UNKNOWN_POS"),
    BadRequest("GET", "/sync?since=%00", None, "M_INVALID_PARAM M_UNKNOWN_POS"),
    BadRequest("GET", "/sync?since=%ff", None, "M_INVALID_PARAM M_UNKNOWN_POS"),
    BadRequest("GET", "/sync?since=" + "A" * 4000, None, "M_INVALID_PARAM M_UNKNOWN_POS"),
    BadRequest("GET", "/sync?filter=12345", None, "M_INVALID_PARAM M_NOT_FOUND", (400, 404)),
    BadRequest("GET", "/sync?filter=%00", None, "M_INVALID_PARAM M_NOT_FOUND", (400, 404)),
    BadRequest("GET", "/sync?filter=abc", None, "M_INVALID_PARAM M_NOT_FOUND", (400, 404)),
    BadRequest("GET", "/sync?filter=%7B", None, _JSON + " M_INVALID_PARAM"),
    BadRequest("GET", "/sync?filter=%7B%22room%22:7%7D", None, _SHAPE),
    BadRequest("GET", "/sync?filter=" + "%7B%22a%22:" * 300, None, _JSON + " M_INVALID_PARAM"),
    BadRequest("GET", "/sync?filter=%7B%22a%22:%22%5Cud800%22%7D", None, _JSON),
    BadRequest("GET", "/rooms/{room}/messages", None, _ABSENT),
    BadRequest("GET", "/rooms/{room}/messages?dir=up", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/messages?dir=b&limit=many", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/messages?dir=b&limit=-1", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/messages?dir=b&from=x", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/messages?dir=b&to=x", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/messages?dir=b&from=%00", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/messages?dir=b&filter=7", None, _SHAPE),
    BadRequest("GET", "/rooms/{room}/messages?dir=b&filter=x", None, _JSON + " M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/members?membership=guest", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/members?at=x", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/context/{event}?limit=x", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/rooms/{room}/context/$nonsense", None, "M_NOT_FOUND", (404,)),
    BadRequest("GET", "/rooms/{room}/event/$nonsense", None, "M_NOT_FOUND", (404,)),
    BadRequest("GET", STATE + "/org.example.none", None, "M_NOT_FOUND", (404,)),
    BadRequest("GET", STATE + "/%00/%00", None, "M_NOT_FOUND M_INVALID_PARAM", (400, 404)),
    BadRequest("GET", "/sync?" + "&".join(f"a{n}=1" for n in range(1000)), None, "M_INVALID_PARAM"),
    BadRequest("GET", "/publicRooms?limit=x", None, "M_INVALID_PARAM"),
    BadRequest("GET", "/publicRooms?since=%00nonsense", None, "M_INVALID_PARAM M_UNKNOWN"),
]

_BAD_ROOMS: Final = (
    "nonsense",
    "!",
    "!no.such:localhost",
    "!a%00b",
    "!%20",
    "%23x:y",
    "!" + "x" * 300,
)
_BAD_EVENTS: Final = ("nonsense", "$", "$no-such", "$a%00b", "$" + "x" * 300)
_BAD_ALIASES: Final = (
    "nonsense",
    "%23",
    "%23x",
    "%23no.such:localhost",
    "%23a%00:b",
    "%23" + "x" * 300,
)


def bad_identifiers() -> Iterator[BadRequest]:
    """Give identifiers that are malformed or unknown where paths take them."""
    somewhere = (400, 403, 404)
    for room in _BAD_ROOMS:
        yield BadRequest("PUT", f"/rooms/{room}/send/m.room.message/1", {}, _ID, somewhere)
        yield BadRequest("PUT", f"/rooms/{room}/state/m.room.topic", {}, _ID, somewhere)
        yield BadRequest("GET", f"/rooms/{room}/state", None, _ID, somewhere)
        yield BadRequest("GET", f"/rooms/{room}/messages?dir=b", None, _ID, somewhere)
        yield BadRequest("GET", f"/rooms/{room}/members", None, _ID, somewhere)
        yield BadRequest("POST", f"/rooms/{room}/join", {}, _ID, somewhere)
        yield BadRequest("POST", f"/rooms/{room}/leave", {}, _ID, somewhere)
        yield BadRequest("POST", f"/rooms/{room}/invite", {"user_id": "@x:y"}, _ID, somewhere)
    for event in _BAD_EVENTS:
        yield BadRequest("PUT", f"/rooms/{{room}}/redact/{event}/n{{number}}", {}, _ID, somewhere)
        yield BadRequest("GET", f"/rooms/{{room}}/event/{event}", None, _ID, somewhere)
        yield BadRequest("GET", f"/rooms/{{room}}/context/{event}", None, _ID, somewhere)
    for alias in _BAD_ALIASES:
        yield BadRequest("POST", f"/join/{alias}", {}, _ID, somewhere)
        yield BadRequest("GET", f"/directory/room/{alias}", None, _ID, somewhere)
    for user in ("nonsense", "@", "@x", "@no.such:localhost", "@a%00b:localhost"):
        yield BadRequest("GET", f"/profile/{user}", None, _ID, somewhere)
    for path in ("/rooms/%ff/state", "/rooms/%C3%28/messages?dir=b", "/profile/%ed%a0%80"):
        yield BadRequest("GET", path, None, "M_INVALID_PARAM")
    for path in ("/rooms/%zz/state", "/rooms/%/state", "/rooms/%2/state", "/rooms/100%25/state"):
        yield BadRequest("GET", path, None, _ID, somewhere)


UNKNOWN: Final[list[BadRequest]] = [
    BadRequest("GET", "/no/such/endpoint", None, "M_UNRECOGNIZED", (404,)),
    BadRequest("GET", "/_matrix/client/v99/sync", None, "M_UNRECOGNIZED", (404,)),
    BadRequest("GET", "/_matrix", None, "M_UNRECOGNIZED", (404,)),
    BadRequest("POST", "/_matrix/../../etc/passwd", None, "M_UNRECOGNIZED", (404,)),
    BadRequest("GET", "/_synapse/admin/v1/nothing", None, "M_UNRECOGNIZED", (404,)),
    BadRequest("GET", "/sync/", None, "M_UNRECOGNIZED", (404,)),
    BadRequest("GET", "//sync", None, "M_UNRECOGNIZED", (404,)),
    BadRequest("GET", "/x" * 10_000, None, "M_UNRECOGNIZED", (404,)),
    BadRequest("GET", "/createRoom", None, "M_UNRECOGNIZED", (405,)),
    BadRequest("PUT", "/createRoom", {}, "M_UNRECOGNIZED", (405,)),
    BadRequest("POST", "/sync", {}, "M_UNRECOGNIZED", (405,)),
    BadRequest("DELETE", "/sync", None, "M_UNRECOGNIZED", (405,)),
    BadRequest("PATCH", SEND, {}, "M_UNRECOGNIZED", (405,)),
    BadRequest("POST", SEND, {}, "M_UNRECOGNIZED", (405,)),
    BadRequest("PUT", "/login", {}, "M_UNRECOGNIZED", (405,)),
    BadRequest("DELETE", "/register", None, "M_UNRECOGNIZED", (405,)),
]

# Every endpoint that needs a token.
NEED_TOKEN: Final[list[tuple[str, str]]] = [
    *(pair for pair in BODIES if pair[1] not in {"/login", "/register"}),
    ("GET", "/sync"),
    ("GET", "/account/whoami"),
    ("GET", "/devices"),
    ("GET", "/joined_rooms"),
    ("POST", "/logout"),
    ("POST", "/rooms/{room}/join"),
    ("POST", "/rooms/{room}/leave"),
    ("POST", "/rooms/{room}/ban"),
    ("POST", "/rooms/{room}/unban"),
    ("POST", "/rooms/{room}/forget"),
    ("GET", "/rooms/{room}/messages?dir=b"),
    ("GET", "/rooms/{room}/members"),
    ("GET", "/rooms/{room}/joined_members"),
    ("GET", "/rooms/{room}/event/{event}"),
    ("GET", "/rooms/{room}/context/{event}"),
    ("GET", STATE),
    ("GET", STATE + "/m.room.topic"),
    ("GET", FILTER + "/0"),
]

# A NUL inside of JSON is well-formed: it may be taken or refused, but it may not do harm.
WITH_NUL: Final[list[tuple[str, str, Json]]] = [
    ("PUT", SEND, {"body": "a\0b"}),
    ("PUT", SEND, {"a\0b": "c"}),
    ("PUT", "/rooms/{room}/send/a%00b/n{number}", {}),
    ("PUT", "/rooms/{room}/send/m.room.message/n%00{number}", {}),
    ("PUT", STATE + "/m.room.topic", {"topic": "a\0b"}),
    ("PUT", STATE + "/m.room.name", {"name": "\0"}),
    ("PUT", STATE + "/a%00b/c%00d", {}),
    ("PUT", STATE + "/org.example/c%00d", {}),
    ("PUT", _NAME, {"displayname": "a\0b"}),
    ("PUT", _NAME, {"displayname": "alice"}),
    ("PUT", "/user/{alice}/account_data/a%00b", {"c": "d"}),
    ("PUT", "/user/{alice}/account_data/org.example", {"a\0b": "c\0d"}),
    ("PUT", "/user/{alice}/rooms/{room}/account_data/org.example", {"a\0b": "c\0d"}),
    ("POST", FILTER, {"room": {"timeline": {"types": ["a\0b"]}}}),
    ("POST", "/createRoom", {"name": "a\0b", "topic": "\0"}),
    ("POST", "/createRoom", {"creation_content": {"a\0b": "\0"}}),
    ("POST", "/createRoom", {"initial_state": [{"type": "a\0b", "content": {}}]}),
    ("POST", "/register", REGISTER | {"password": "long\0enough"}),
    ("POST", "/register", REGISTER | {"initial_device_display_name": "a\0b"}),
    ("POST", "/register", REGISTER | {"device_id": "a\0b"}),
    ("POST", "/rooms/{room}/leave", {"reason": "a\0b"}),
    ("POST", "/rooms/{room}/join", {"reason": "a\0b"}),
]
