"""Filters of events, as clients define them for /sync, /messages, /context and search."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, Self

from matrix.errors import BadJson, InvalidParam

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 1000
MAX_ENTRIES: Final = 1000
"""How many entries a list in a filter may have."""
MAX_ENTRY_LENGTH: Final = 255
MAX_EVENT_FIELDS: Final = 100
"""How many properties of events a filter may name: each is looked for in each event."""
MAX_STARS: Final = 100
"""How many `*` the types of a list in a filter may have together: each is looked for in each
event."""

_ABSENT: Final[Mapping[str, Any]] = {}


class EventFilter:
    """Which events to include, by type, sender, room and presence of a `url`, and how many.

    Serves as the EventFilter and as the RoomEventFilter of the specification; the fields that
    only the latter has are neutral when absent. Immutable.
    """

    __slots__ = (
        "contains_url",
        "include_redundant_members",
        "is_pass_all",
        "is_pass_none",
        "lazy_load_members",
        "limit",
        "not_rooms",
        "not_senders",
        "not_types",
        "rooms",
        "senders",
        "types",
        "unread_thread_notifications",
    )

    limit: Final[int]
    types: Final["TypePatterns | None"]
    not_types: Final["TypePatterns"]
    senders: Final[frozenset[str] | None]
    not_senders: Final[frozenset[str]]
    rooms: Final[frozenset[str] | None]
    not_rooms: Final[frozenset[str]]
    contains_url: Final[bool | None]
    lazy_load_members: Final[bool]
    include_redundant_members: Final[bool]
    unread_thread_notifications: Final[bool]
    is_pass_all: Final[bool]
    """Whether every event matches."""
    is_pass_none: Final[bool]
    """Whether surely no event matches."""

    def __init__(self, obj: Mapping[str, Any], *, default_limit: int, max_limit: int) -> None:
        self.limit = _limit(obj, default_limit, max_limit)
        types = _strings(obj, "types")
        self.types = None if types is None else TypePatterns(types)
        self.not_types = TypePatterns(_strings(obj, "not_types") or ())
        self.senders = _identifiers(obj, "senders", "@")
        self.not_senders = _identifiers(obj, "not_senders", "@") or frozenset()
        self.rooms = _identifiers(obj, "rooms", "!")
        self.not_rooms = _identifiers(obj, "not_rooms", "!") or frozenset()
        self.contains_url = _boolean(obj, "contains_url")
        self.lazy_load_members = _boolean(obj, "lazy_load_members") or False
        self.include_redundant_members = _boolean(obj, "include_redundant_members") or False
        self.unread_thread_notifications = _boolean(obj, "unread_thread_notifications") or False
        self.is_pass_all = (
            self.types is None
            and self.senders is None
            and self.rooms is None
            and self.contains_url is None
            and not (self.not_types or self.not_senders or self.not_rooms)
        )
        self.is_pass_none = (
            (self.types is not None and not self.types)
            or (self.senders is not None and self.senders <= self.not_senders)
            or (self.rooms is not None and self.rooms <= self.not_rooms)
            or self.not_types.match_all
        )

    @classmethod
    def parse(
        cls, obj: object, *, default_limit: int = DEFAULT_LIMIT, max_limit: int = MAX_LIMIT
    ) -> Self:
        """Return the filter of a JSON value.

        Raises `BadJson` on wrong types, `InvalidParam` on values that cannot be. A `limit` over
        `max_limit` becomes that.
        """
        return cls(
            _mapping(obj, "An event filter"), default_limit=default_limit, max_limit=max_limit
        )

    def matches(
        self, event_type: str, sender: str, room_id: str | None, content: Mapping[str, Any]
    ) -> bool:
        """Whether to include such an event; without a `room_id` the rooms are not considered."""
        if self.is_pass_all:
            return True
        if self.contains_url is not None and ("url" in content) is not self.contains_url:
            return False
        if sender in self.not_senders or (self.senders is not None and sender not in self.senders):
            return False
        return (
            (room_id is None or self.includes_room(room_id))
            and (self.types is None or self.types.match(event_type))
            and not self.not_types.match(event_type)
        )

    def includes_room(self, room_id: str) -> bool:
        """Whether events of this room can match."""
        return room_id not in self.not_rooms and (self.rooms is None or room_id in self.rooms)


class TypePatterns:
    """A set of event types, in which `*` stands for any sequence of characters; false if empty.

    Raises `InvalidParam` for more than `MAX_STARS`.
    """

    __slots__ = ("_exact", "_globs", "match_all")

    match_all: Final[bool]
    """Whether one of the patterns is `*` alone."""

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = frozenset(patterns)
        if sum(pattern.count("*") for pattern in patterns) > MAX_STARS:
            raise InvalidParam(f"The types of a filter have more than {MAX_STARS} stars.")
        self._exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
        self._globs = [pattern.split("*") for pattern in sorted(patterns - self._exact)]
        self.match_all = any(not any(parts) for parts in self._globs)

    def match(self, event_type: str) -> bool:
        """Whether one of the patterns matches this type."""
        if self.match_all or event_type in self._exact:
            return True
        return any(_glob_matches(parts, event_type) for parts in self._globs)

    def __bool__(self) -> bool:
        return bool(self._exact or self._globs)


class RoomFilter:
    """The `room` part of a sync filter: which rooms, and which events of them. Immutable."""

    __slots__ = (
        "account_data",
        "ephemeral",
        "include_leave",
        "not_rooms",
        "rooms",
        "state",
        "timeline",
    )

    rooms: Final[frozenset[str] | None]
    not_rooms: Final[frozenset[str]]
    include_leave: Final[bool]
    timeline: Final[EventFilter]
    state: Final[EventFilter]
    ephemeral: Final[EventFilter]
    account_data: Final[EventFilter]

    def __init__(self, obj: Mapping[str, Any], *, default_limit: int, max_limit: int) -> None:
        def part(name: str) -> EventFilter:
            return EventFilter.parse(
                _part(obj, name), default_limit=default_limit, max_limit=max_limit
            )

        self.rooms = _identifiers(obj, "rooms", "!")
        self.not_rooms = _identifiers(obj, "not_rooms", "!") or frozenset()
        self.include_leave = _boolean(obj, "include_leave") or False
        self.timeline = part("timeline")
        self.state = part("state")
        self.ephemeral = part("ephemeral")
        self.account_data = part("account_data")

    def includes_room(self, room_id: str) -> bool:
        """Whether the sync has to include this room."""
        return room_id not in self.not_rooms and (self.rooms is None or room_id in self.rooms)


class Filter:
    """A sync filter with all its parts, ready to be asked. Immutable."""

    __slots__ = ("account_data", "event_fields", "event_format", "presence", "room")

    event_fields: Final[tuple[tuple[str, ...], ...] | None]
    """The paths of properties to include, each as its keys from the top; None for all."""
    event_format: Final[Literal["client", "federation"]]
    presence: Final[EventFilter]
    account_data: Final[EventFilter]
    room: Final[RoomFilter]

    def __init__(self, obj: Mapping[str, Any], *, default_limit: int, max_limit: int) -> None:
        fields = _strings(obj, "event_fields", MAX_EVENT_FIELDS)
        self.event_fields = None if fields is None else tuple(map(split_path, fields))
        self.event_format = _event_format(obj.get("event_format"))
        self.presence = EventFilter.parse(
            _part(obj, "presence"), default_limit=default_limit, max_limit=max_limit
        )
        self.account_data = EventFilter.parse(
            _part(obj, "account_data"), default_limit=default_limit, max_limit=max_limit
        )
        self.room = RoomFilter(
            _part(obj, "room"),
            default_limit=default_limit,
            max_limit=max_limit,
        )

    @classmethod
    def parse(
        cls, obj: object, *, default_limit: int = DEFAULT_LIMIT, max_limit: int = MAX_LIMIT
    ) -> Self:
        """Return the filter of a JSON value; unknown keys are ignored.

        Raises `BadJson` on wrong types, `InvalidParam` on values that cannot be.
        """
        return cls(_mapping(obj, "A filter"), default_limit=default_limit, max_limit=max_limit)

    def select_fields(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an event in client form with the `event_fields` only; all, if none are named."""
        if self.event_fields is None:
            return event
        selected: dict[str, Any] = {}
        for path in self.event_fields:
            _copy_property(event, selected, path)
        return selected


def split_path(path: str) -> tuple[str, ...]:
    r"""Return the keys of a dot-separated property path, `\.` and `\\` unescaped (appendices)."""
    keys: list[str] = []
    key: list[str] = []
    characters = iter(path)
    for character in characters:
        if character == ".":
            keys.append("".join(key))
            key = []
        elif character == "\\":
            escaped = next(characters, "")
            key.append(escaped if escaped in {".", "\\"} else character + escaped)
        else:
            key.append(character)
    return (*keys, "".join(key))


def _copy_property(
    source: Mapping[str, Any], target: dict[str, Any], path: tuple[str, ...]
) -> None:
    value: Any = source
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return
        value = value[key]
    place = target
    origin = source
    for key in path[:-1]:
        origin = origin[key]
        if place.get(key) is origin:
            return  # a shorter path has selected the whole object
        place = place.setdefault(key, {})
    place[path[-1]] = value


def _glob_matches(parts: list[str], text: str) -> bool:
    """Whether `text` starts and ends with the outer parts and holds the inner ones in order.

    Linear, unlike a regular expression, which a client could make explode.
    """
    first, *inner, last = parts
    end = len(text) - len(last)
    if end < len(first) or not text.startswith(first) or not text.endswith(last):
        return False
    start = len(first)
    for part in inner:
        found = text.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return True


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadJson(f"{name} is not an object.")
    return value


def _part(obj: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = obj.get(name)
    return _ABSENT if part is None else _mapping(part, name)


def _strings(obj: Mapping[str, Any], name: str, most: int = MAX_ENTRIES) -> list[str] | None:
    values = obj.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadJson(f"{name} is not an array of strings.")
    if len(values) > most or any(len(value) > MAX_ENTRY_LENGTH for value in values):
        raise InvalidParam(f"{name} is too long.")
    return values


def _identifiers(obj: Mapping[str, Any], name: str, sigil: str) -> frozenset[str] | None:
    values = _strings(obj, name)
    if values is None:
        return None
    if not all(value.startswith(sigil) for value in values):
        raise InvalidParam(f"{name} holds something that does not start with {sigil}.")
    return frozenset(values)


def _boolean(obj: Mapping[str, Any], name: str) -> bool | None:
    value = obj.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadJson(f"{name} is not a boolean.")
    return value


def _limit(obj: Mapping[str, Any], default: int, greatest: int) -> int:
    value = obj.get("limit")
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadJson("limit is not an integer.")
    # The specification wants it to be greater than 0, but clients ask for 0 to get no events.
    if value < 0:
        raise InvalidParam("limit is negative.")
    return min(value, greatest)


def _event_format(value: object) -> Literal["client", "federation"]:
    match value:
        case "client" | None:
            return "client"
        case "federation":
            return "federation"
        case str():
            raise InvalidParam("event_format is neither client nor federation.")
    raise BadJson("event_format is not a string.")
