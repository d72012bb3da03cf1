"""The answer of /sync, put together from ready bytes."""

from collections.abc import Mapping
from typing import Final

import orjson

from base.slices import Slices
from components.syncapi.streams.answer import SyncAnswer

_EMPTY: Final = {
    "account_data": b'{"events":[]}',
    "presence": b'{"events":[]}',
    "to_device": b'{"events":[]}',
    "device_lists": b'{"changed":[],"left":[]}',
    "device_one_time_keys_count": b'{"signed_curve25519":0}',
    "device_unused_fallback_key_types": b"[]",
}
"""The sections of the specification, where no stream tells them."""


def _render_sections(sections: Mapping[str, bytes]) -> bytes:
    return b",".join([b'"%b":%b' % (name.encode(), value) for name, value in sections.items()])


_NO_SECTIONS: Final = _render_sections(_EMPTY)


async def render_answer(token: str, answer: SyncAnswer, slices: Slices) -> bytes:
    """Return the body of the answer."""
    told = answer.in_every_answer | answer.sections
    sections = _render_sections(_EMPTY | told) if told else _NO_SECTIONS
    pieces = [b'{"next_batch":"%b",%b,"rooms":{' % (token.encode(), sections)]
    comma = b""
    for name, entries in (
        (b"join", answer.join),
        (b"invite", answer.invite),
        (b"knock", answer.knock),
        (b"leave", answer.leave),
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
