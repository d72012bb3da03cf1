"""Takes signatures that users make of keys: of their devices, their master key and others'."""

from collections.abc import Mapping
from typing import Any, Final

from base.database import Connection
from components.keyserver.key_changes import KeyAnnouncements, keys_changed
from components.keyserver.shown_keys import read_keys
from components.keyserver.store.cross_signing import upsert_signatures
from components.keyserver.store.devices import lock_user
from internalapi.keyserver import FoundKeys
from internalapi.userapi import Requester
from logs.records.key_changes import OutputKeyChange, UserSignaturesChanged
from matrix.encryption_keys.cross_signing import public_key_of, valid_signatures
from matrix.encryption_keys.device_keys import signing_key_of
from matrix.encryption_keys.signed_keys import signatures_by, with_signatures
from matrix.errors import BadJson, InvalidParam, MatrixError, NotFound
from matrix.identifiers import DeviceID, UserID
from matrix.signing import ED25519, bare

Signed = Mapping[UserID, Mapping[str, Any]]
Failures = dict[UserID, dict[str, MatrixError]]


class SignatureUploads:
    """Stores signatures whose signer may sign the key, and announces them."""

    def __init__(self, announcements: KeyAnnouncements) -> None:
        self._announcements: Final = announcements

    async def perform_upload(self, requester: Requester, signed: Signed) -> Failures:
        """Store signatures on keys, which are given by user and by device ID or public key.

        Returns which were refused, and why; the others are stored.
        """
        return await self._announcements.write(
            lambda connection: self._write(connection, requester.user_id, signed)
        )

    def _write(self, connection: Connection, signer: UserID, signed: Signed) -> Failures:
        lock_user(connection, signer)
        wanted: dict[UserID, list[DeviceID]] = {user_id: [] for user_id in {signer, *signed}}
        targets = _Targets(signer, read_keys(connection, wanted, signer))
        failures: Failures = {}
        changed: set[tuple[UserID, str]] = set()
        for user_id, keys in signed.items():
            for target_id, key in keys.items():
                try:
                    new = targets.new_signatures(user_id, target_id, key)
                except MatrixError as refusal:
                    failures.setdefault(user_id, {})[target_id] = refusal
                    continue
                if new:
                    upsert_signatures(connection, user_id, target_id, signer, new)
                    changed.add((user_id, target_id))
        self._announcements.put_all(connection, _records(connection, signer, targets, changed))
        return failures


class _Targets:
    """Keys that the signer may sign, and with which keys."""

    def __init__(self, signer: UserID, found: FoundKeys) -> None:
        self._signer = signer
        self._found = found

    def is_own_device(self, user_id: UserID, target_id: str) -> bool:
        return user_id == self._signer and DeviceID(target_id) in self._found.device_keys[user_id]

    def new_signatures(self, user_id: UserID, target_id: str, key: Any) -> dict[str, str]:
        """Return the signatures that are not stored yet.

        Raises `NotFound`, `InvalidParam` for a key other than the stored one, `BadJson`, and
        `KeySignatureInvalid`.
        """
        if not isinstance(key, dict):
            raise BadJson("A signed key is an object.")
        stored, allowed = self._target(user_id, target_id)
        if bare(key) != bare(stored):
            raise InvalidParam("The key that was signed is not the one that is stored.")
        own = stored.get("signatures", {}).get(self._signer, {})
        given = signatures_by(key, self._signer)
        new = {key_id: one for key_id, one in given.items() if own.get(key_id) != one}
        if given and not new:
            return {}
        return valid_signatures(with_signatures(key, {self._signer: new}), self._signer, allowed)

    def _target(self, user_id: UserID, target_id: str) -> tuple[dict[str, Any], dict[str, str]]:
        found, signer = self._found, self._signer
        if self.is_own_device(user_id, target_id):
            return found.device_keys[user_id][DeviceID(target_id)], _named(
                found.self_signing_keys.get(signer)
            )
        master = found.master_keys.get(user_id)
        if master is None or public_key_of(master) != target_id:
            raise NotFound("There is no such key, or you may not sign it.")
        if user_id != signer:
            return master, _named(found.user_signing_keys.get(signer))
        return master, {
            f"{ED25519}:{device_id}": signing_key_of(keys, device_id)
            for device_id, keys in found.device_keys[signer].items()
        }


def _named(key: Mapping[str, Any] | None) -> dict[str, str]:
    return {} if key is None else dict(key["keys"])


def _records(
    connection: Connection, signer: UserID, targets: _Targets, changed: set[tuple[UserID, str]]
) -> list[OutputKeyChange]:
    own = {target_id for user_id, target_id in changed if user_id == signer}
    devices = {DeviceID(one) for one in own if targets.is_own_device(signer, one)}
    records: list[OutputKeyChange] = []
    if own:
        records += keys_changed(
            connection, signer, devices, with_cross_signing=len(own) > len(devices)
        )
    others = sorted({user_id for user_id, _ in changed if user_id != signer})
    if others:
        records.append(UserSignaturesChanged(signer, [*others]))
    return records
