"""Keys of many users, for those who ask for them."""

from collections.abc import Collection
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, SelectByKeys
from components.keyserver.store.tables import cross_signing_keys, key_devices, key_signatures

_DEVICES: Final = SelectByKeys(
    sa.select(
        key_devices.c.user_id,
        key_devices.c.device_id,
        key_devices.c.display_name,
        key_devices.c["keys"],
    ).where(key_devices.c["keys"].is_not(None)),
    key_devices.c.user_id,
)
_CROSS_SIGNING: Final = SelectByKeys(
    sa.select(
        cross_signing_keys.c.user_id,
        cross_signing_keys.c.usage,
        cross_signing_keys.c.public_key,
        cross_signing_keys.c.key,
    ),
    cross_signing_keys.c.user_id,
)
_SIGNATURES: Final = SelectByKeys(
    sa.select(
        key_signatures.c.target_user_id,
        key_signatures.c.target_id,
        key_signatures.c.signer_id,
        key_signatures.c.key_id,
        key_signatures.c.signature,
    ).where(
        sa.or_(
            key_signatures.c.signer_id == key_signatures.c.target_user_id,
            key_signatures.c.signer_id == sa.bindparam("requester"),
        )
    ),
    key_signatures.c.target_user_id,
)


class StoredDeviceKeys(NamedTuple):
    """Identity keys of a device as stored."""

    user_id: str
    device_id: str
    display_name: str | None
    keys: bytes


class StoredCrossSigningKey(NamedTuple):
    """A cross-signing key as stored."""

    user_id: str
    usage: str
    public_key: str
    key: bytes


class StoredSignature(NamedTuple):
    """A signature that was uploaded apart from the key that it signs."""

    target_user_id: str
    target_id: str
    signer_id: str
    key_id: str
    signature: str


def select_device_keys(connection: Connection, user_ids: Collection[str]) -> list[StoredDeviceKeys]:
    """Return the identity keys of all devices of these users that have any."""
    return [*map(StoredDeviceKeys._make, _DEVICES.rows(connection, user_ids))]


def select_cross_signing_keys(
    connection: Connection, user_ids: Collection[str]
) -> list[StoredCrossSigningKey]:
    """Return the cross-signing keys of these users."""
    return [*map(StoredCrossSigningKey._make, _CROSS_SIGNING.rows(connection, user_ids))]


def select_signatures(
    connection: Connection, user_ids: Collection[str], requester: str
) -> list[StoredSignature]:
    """Return signatures on the keys of these users, by themselves and by the requester."""
    rows = _SIGNATURES.rows(connection, user_ids, {"requester": requester})
    return [*map(StoredSignature._make, rows)]
