"""Keys of backups as JSON, written as they are read."""

from collections.abc import Iterable

import orjson

from components.keyserver.store.backed_up_keys import BackedUpKey


def encoded_key(key: BackedUpKey) -> bytes:
    """Return a key as its user sees it."""
    return b'{"first_message_index":%d,"forwarded_count":%d,"is_verified":%b,"session_data":%b}' % (
        key.first_message_index,
        key.forwarded_count,
        b"true" if key.is_verified else b"false",
        key.session_data,
    )


class KeyPages:
    """The JSON object of keys that come some at a time, those of a room one after another."""

    def __init__(self, *, is_of_room: bool) -> None:
        """Begin the object of all rooms, or of the sessions of one."""
        self._is_of_room = is_of_room
        self._room_id: str | None = None
        """The room of the last key."""

    def begin(self) -> bytes:
        """Return what stands before all keys."""
        return b'{"sessions":{' if self._is_of_room else b'{"rooms":{'

    def more(self, keys: Iterable[BackedUpKey]) -> bytes:
        """Return what follows with these keys."""
        pieces: list[bytes] = []
        for key in keys:
            pieces += (
                self._before(key.room_id),
                orjson.dumps(key.session_id),
                b":",
                encoded_key(key),
            )
        return b"".join(pieces)

    def _before(self, room_id: str) -> bytes:
        former, self._room_id = self._room_id, room_id
        if room_id == former:
            return b","
        if self._is_of_room:
            return b""
        between = b"" if former is None else b"}},"
        return b'%b%b:{"sessions":{' % (between, orjson.dumps(room_id))

    def end(self) -> bytes:
        """Return what stands behind all keys."""
        is_in_room = self._room_id is not None and not self._is_of_room
        return b"}}}}" if is_in_room else b"}}"
