"""What records of OutputKeyChange mean to client sync."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import orjson

from base.database import Connection
from components.syncapi.store.key_changes import KeyChange
from components.syncapi.store.key_counts import KeyCounts
from components.syncapi.store.membership import select_joined_rooms
from logs.records.key_changes import (
    CrossSigningKeysChanged,
    DeviceKeysChanged,
    KeyCountsChanged,
    OutputKeyChange,
    UserSignaturesChanged,
)

_NO_KEYS: Final = b'{"signed_curve25519":0}'
_NO_TYPES: Final = b"[]"
_NEVER: Final = -1


class KeyNews(msgspec.Struct):
    """What is written, and what memory learns once it is committed."""

    changes: list[KeyChange] = msgspec.field(default_factory=list)
    counts: dict[tuple[str, str], KeyCounts] = msgspec.field(default_factory=dict)
    """By user and device the newest counts."""
    removed: set[tuple[str, str]] = msgspec.field(default_factory=set)
    """Devices that are gone, and not there again."""
    joined_rooms: Mapping[str, set[str]] = msgspec.field(default_factory=dict)
    """By user whose keys changed the rooms whose members have to hear of it."""


def no_counts(user_id: str, device_id: str, order: int = _NEVER) -> KeyCounts:
    """Return the counts of a device that has uploaded no keys.

    Clients take it that a server does not know these keys where `signed_curve25519` is not named.
    """
    return KeyCounts(user_id, device_id, order, _NO_KEYS, _NO_TYPES)


def news_of(partition: int, records: Iterable[tuple[int, OutputKeyChange]]) -> KeyNews:
    """Return what records of a partition tell, given with their offsets in order."""
    news = KeyNews()
    for order, record in records:
        user_id = record.user_id
        match record:
            case KeyCountsChanged():
                device = user_id, record.device_id
                news.removed.discard(device)
                news.counts[device] = KeyCounts(
                    *device,
                    order,
                    orjson.dumps(record.one_time_keys),
                    orjson.dumps(record.unused_fallback_types),
                )
            case UserSignaturesChanged():
                news.changes += [
                    KeyChange(partition, order, signed, user_id)
                    for signed in dict.fromkeys(record.signed_user_ids)
                ]
            case DeviceKeysChanged():
                news.changes.append(KeyChange(partition, order, user_id))
                if record.keys is None:
                    device = user_id, record.device_id
                    news.removed.add(device)
                    news.counts[device] = no_counts(*device, order)
            case CrossSigningKeysChanged():
                news.changes.append(KeyChange(partition, order, user_id))
    return news


def find_rooms(connection: Connection, some: Sequence[KeyNews]) -> None:
    """Find out in which rooms those are whose keys changed."""
    user_ids = {one.user_id for news in some for one in news.changes if not one.told_to}
    if user_ids:
        rooms = select_joined_rooms(connection, user_ids)
        for news in some:
            news.joined_rooms = rooms
