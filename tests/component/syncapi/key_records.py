"""Changes of keys, written by hand, and what answers have of them."""

from typing import Any

from logs.records.key_changes import DeviceKeysChanged, KeyCountsChanged
from tests.component.syncapi.story import House

CURVE = "signed_curve25519"


def keys_of(user_id: str, device_id: str = "PHONE", *, are_gone: bool = False) -> DeviceKeysChanged:
    """Return the record of new identity keys of a device, or of their end."""
    return DeviceKeysChanged(user_id, device_id, None if are_gone else b'{"keys":{}}')


def counts_of(user_id: str, count: int, *unused: str, device_id: str = "PHONE") -> KeyCountsChanged:
    """Return the record of how many keys of a device are left."""
    return KeyCountsChanged(user_id, device_id, {CURVE: count}, list(unused))


def told_lists(answer: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return whose lists have changed, and who is gone."""
    lists = answer["device_lists"]
    return lists["changed"], lists["left"]


def told_counts(answer: dict[str, Any]) -> tuple[dict[str, int], list[str]]:
    """Return how many keys are left, and which fallback keys nobody was given."""
    return answer["device_one_time_keys_count"], answer["device_unused_fallback_key_types"]


async def changes(house: House, user_id: str, start: str, end: str) -> tuple[list[str], list[str]]:
    """Return what /keys/changes answers."""
    await house.projected()
    answer = await house.get(user_id, "keys/changes", from_=start, to=end)
    assert answer.status == 200, answer
    return answer.json["changed"], answer.json["left"]
