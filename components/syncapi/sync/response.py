"""The answer of /sync, put together from ready bytes."""

from typing import Final

import msgspec
import orjson

from base.slices import Slices
from components.syncapi.changes import AccountDatum
from components.syncapi.streams.rooms.sections import render_account_data

_HEAD: Final = (
    b'"presence":{"events":[]},"to_device":{"events":[]},"device_lists":{"changed":[],"left":[]},'
    b'"device_one_time_keys_count":{},"device_unused_fallback_key_types":[]'
)


class Parts(msgspec.Struct, gc=False):
    """What an answer tells, by kind of room."""

    join: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    invite: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    knock: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    leave: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    account_data: list[AccountDatum] = msgspec.field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that a client has to hear of."""
        return not (self.join or self.invite or self.knock or self.leave or self.account_data)


async def render_answer(token: str, parts: Parts, slices: Slices) -> bytes:
    """Return the body of the answer."""
    pieces = [
        b'{"next_batch":"%b",%b,%b,"rooms":{'
        % (token.encode(), render_account_data(parts.account_data), _HEAD)
    ]
    comma = b""
    for name, entries in (
        (b"join", parts.join),
        (b"invite", parts.invite),
        (b"knock", parts.knock),
        (b"leave", parts.leave),
    ):
        if not entries:
            continue
        pieces.append(b'%b"%b":{' % (comma, name))
        comma = b""
        for room_id, json in entries:
            await slices.next()
            pieces += (comma, orjson.dumps(room_id), b":", json)
            comma = b","
        pieces.append(b"}")
    pieces.append(b"}}")
    return b"".join(pieces)
