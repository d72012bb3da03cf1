"""Takes cross-signing keys and signatures of keys (client-server API, "Cross-signing")."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from base.database import Connection, Database
from base.http import Fields
from components.keyserver.key_changes import KeyAnnouncements, keys_changed
from components.keyserver.store.cross_signing import (
    delete_cross_signing_key,
    delete_signatures_with,
    upsert_cross_signing_key,
    upsert_signatures,
)
from components.keyserver.store.devices import lock_user
from components.keyserver.store.queries import (
    StoredCrossSigningKey,
    select_cross_signing_keys,
    select_device_keys,
)
from internalapi.userapi import Requester, UserProofs
from matrix.canonical import encode_canonical
from matrix.encryption_keys.cross_signing import (
    USAGES,
    Usage,
    checked_cross_signing_key,
    signed_by_master,
)
from matrix.encryption_keys.device_keys import signing_key_of
from matrix.encryption_keys.signed_keys import (
    KeySignatureInvalid,
    check_signature,
    signatures_by,
    with_signatures,
)
from matrix.errors import BadJson, Forbidden, MatrixError, MissingParam, TooLarge
from matrix.identifiers import UserID
from matrix.signing import bare

_OPERATION: Final = "upload cross-signing keys"
_Stored = Mapping[str, StoredCrossSigningKey]


class ProofWanted(MatrixError):
    """The keys are replaced once the client has authenticated further: 401 with the flows."""

    status = 401

    def __init__(self, challenge: dict[str, Any]) -> None:
        super().__init__()
        self._challenge = challenge

    def body(self) -> dict[str, Any]:
        """Return what the user API wants."""
        return self._challenge


class _NewKey(NamedTuple):
    """A checked cross-signing key, with the signature that it is stored with."""

    public_key: str
    key: dict[str, Any]


class _KeysReplaced(Exception):
    """Another upload was faster."""


class CrossSigningUploads:
    """Stores cross-signing keys, and announces them."""

    def __init__(
        self,
        database: Database,
        announcements: KeyAnnouncements,
        proofs: UserProofs,
        *,
        key_bytes_max: int,
    ) -> None:
        self._database: Final = database
        self._announcements: Final = announcements
        self._proofs: Final = proofs
        self._key_bytes_max: Final = key_bytes_max

    async def perform_upload(self, requester: Requester, body: Fields) -> None:
        """Store the cross-signing keys in the body of a request.

        Who has a master key proves to be the user, unless nothing changes. Raises `ProofWanted`
        and what else the proof raises, `InvalidParam`, `KeySignatureInvalid`, `MissingParam`
        without a master key, `TooLarge`, and `Forbidden` for a key named like a device.
        """
        user_id = requester.user_id
        is_proven = False
        while True:
            stored = await self._database.read(lambda connection: _select(connection, user_id))
            keys = self._checked(user_id, body, stored)
            is_asked = bool(keys) or "auth" in body
            if keys and all(_is_stored(stored, usage, key) for usage, key in keys.items()):
                return
            if "master" in stored and is_asked and not is_proven:
                body = await self._prove(requester, body)
                is_proven = True
                continue
            try:
                await self._announcements.write(
                    partial(self._write, user_id=user_id, seen=stored, keys=keys)
                )
            except _KeysReplaced:
                is_proven = False
            else:
                return

    async def _prove(self, requester: Requester, body: Fields) -> Fields:
        outcome = await self._proofs.perform_prove(
            requester=requester, body=body.raw, operation=_OPERATION
        )
        if outcome.challenge is not None:
            raise ProofWanted(outcome.challenge)
        return Fields(outcome.body)

    def _checked(self, user_id: UserID, body: Fields, stored: _Stored) -> dict[Usage, _NewKey]:
        given: dict[Usage, dict[str, Any]] = {}
        for usage in USAGES:
            key = body.optional_json_object(f"{usage}_key")
            if key is not None:
                if len(encode_canonical(key)) > self._key_bytes_max:
                    raise TooLarge(f"A key has at most {self._key_bytes_max} bytes.")
                given[usage] = key
        public_keys = {
            usage: checked_cross_signing_key(key, user_id, usage) for usage, key in given.items()
        }
        if not given:
            return {}
        master = public_keys.get("master")
        if master is None:
            if "master" not in stored:
                raise MissingParam("There is no master key that the other keys could be signed by.")
            master = stored["master"].public_key
        return {
            usage: _NewKey(
                public_keys[usage],
                # Signatures of the master key by devices are stored apart.
                key if usage == "master" else signed_by_master(key, user_id, master),
            )
            for usage, key in given.items()
        }

    def _write(
        self, connection: Connection, user_id: UserID, seen: _Stored, keys: Mapping[Usage, _NewKey]
    ) -> None:
        lock_user(connection, user_id)
        if _select(connection, user_id) != seen:
            raise _KeysReplaced
        devices = {
            one.device_id: orjson.loads(one.keys)
            for one in select_device_keys(connection, [user_id])
        }
        for usage, new in keys.items():
            if new.public_key in devices:
                raise Forbidden("A device has the ID of this key.")
            if usage in seen and seen[usage].public_key != new.public_key:
                delete_signatures_with(connection, user_id, seen[usage].public_key)
            key = with_signatures(new.key, {}) if usage == "master" else new.key
            upsert_cross_signing_key(
                connection, user_id, usage, new.public_key, encode_canonical(key)
            )
        if "master" in keys:
            _store_devices_signatures(connection, user_id, keys["master"], devices)
            self._drop_unsigned(connection, user_id, seen, keys)
        if keys:
            records = keys_changed(connection, user_id, [], with_cross_signing=True)
            self._announcements.put_all(connection, records)

    def _drop_unsigned(
        self, connection: Connection, user_id: str, seen: _Stored, keys: Mapping[Usage, _NewKey]
    ) -> None:
        """Delete the keys that the former master key has signed, where they are not replaced."""
        if "master" not in seen or seen["master"].public_key == keys["master"].public_key:
            return
        for usage in seen.keys() - keys.keys():
            delete_signatures_with(connection, user_id, seen[usage].public_key)
            delete_cross_signing_key(connection, user_id, usage)


def _select(connection: Connection, user_id: str) -> dict[str, StoredCrossSigningKey]:
    return {one.usage: one for one in select_cross_signing_keys(connection, [user_id])}


def _is_stored(stored: _Stored, usage: str, new: _NewKey) -> bool:
    return usage in stored and bare(orjson.loads(stored[usage].key)) == bare(new.key)


def _store_devices_signatures(
    connection: Connection, user_id: str, master: _NewKey, devices: Mapping[str, dict[str, Any]]
) -> None:
    """Store the signatures of the user's devices that a new master key has; others are dropped."""
    if "signatures" not in master.key:
        return
    valid: dict[str, str] = {}
    for key_id, signature in signatures_by(master.key, user_id).items():
        device_id = key_id.partition(":")[2]
        if device_id in devices:
            try:
                public_key = signing_key_of(devices[device_id], device_id)
                check_signature(master.key, user_id, key_id, public_key)
            except (KeySignatureInvalid, BadJson):
                continue
            valid[key_id] = signature
    upsert_signatures(connection, user_id, master.public_key, user_id, valid)
