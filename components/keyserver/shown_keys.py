"""Keys as they are shown to somebody, with the signatures that they may see."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import orjson

from base.database import Connection
from components.keyserver.store.queries import (
    select_cross_signing_keys,
    select_device_keys,
    select_signatures,
)
from internalapi.keyserver import FoundKeys
from matrix.identifiers import DeviceID, UserID


def read_keys(
    connection: Connection, wanted: dict[UserID, list[DeviceID]], requester: UserID | None
) -> FoundKeys:
    """Return what `internalapi.keyserver.UserKeys.query_keys` does."""
    signatures = _Signatures(connection, wanted, requester)
    devices: dict[UserID, dict[DeviceID, dict[str, Any]]] = {user_id: {} for user_id in wanted}
    for one in select_device_keys(connection, wanted):
        user_id, device_id = UserID(one.user_id), DeviceID(one.device_id)
        if wanted[user_id] and device_id not in wanted[user_id]:
            continue
        keys = signatures.added(user_id, device_id, orjson.loads(one.keys))
        if one.display_name is not None:
            keys["unsigned"] = {"device_display_name": one.display_name}
        devices[user_id][device_id] = keys
    shown: dict[str, dict[UserID, dict[str, Any]]] = defaultdict(dict)
    for key in select_cross_signing_keys(connection, wanted):
        if key.usage != "user_signing" or key.user_id == requester:
            shown[key.usage][UserID(key.user_id)] = signatures.added(
                key.user_id, key.public_key, orjson.loads(key.key)
            )
    return FoundKeys(devices, shown["master"], shown["self_signing"], shown["user_signing"])


class _Signatures:
    """The signatures that a reader may see ("Key and signature security")."""

    def __init__(
        self, connection: Connection, user_ids: Collection[UserID], requester: UserID | None
    ) -> None:
        self._by_target: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
        for one in select_signatures(connection, user_ids, requester or ""):
            self._by_target[one.target_user_id, one.target_id].append(
                (one.signer_id, one.key_id, one.signature)
            )

    def added(self, user_id: str, target_id: str, key: dict[str, Any]) -> dict[str, Any]:
        """Return the key with these signatures besides its own."""
        for signer_id, key_id, signature in self._by_target.get((user_id, target_id), ()):
            key.setdefault("signatures", {}).setdefault(signer_id, {})[key_id] = signature
        return key
