"""Keys of devices and users: shapes, and which signatures are taken."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.encryption_keys.cross_signing import (
    Usage,
    checked_cross_signing_key,
    signed_by_master,
    valid_signatures,
)
from matrix.encryption_keys.device_keys import (
    checked_claimable,
    checked_device_keys,
    is_same_key,
)
from matrix.encryption_keys.signed_keys import KeySignatureInvalid
from matrix.errors import BadJson, InvalidParam, MatrixError
from matrix.signing import SigningKey, bare, sign_json
from matrix.unpadded_base64 import encode_base64

ALICE = "@alice:example.com"
BOB = "@bob:example.com"
DEVICE, MASTER, OTHER = (SigningKey("1", bytes([number]) * 32) for number in (1, 2, 3))


def public(key: SigningKey) -> str:
    return encode_base64(key.verify_key)


def signed(value: dict[str, Any], user_id: str, name: str, key: SigningKey) -> dict[str, Any]:
    signature = sign_json(bare(value), user_id, key)["signatures"][user_id][key.key_id]
    return {**value, "signatures": {user_id: {f"ed25519:{name}": signature}}}


def device_keys(**changes: Any) -> dict[str, Any]:
    keys = {
        "user_id": ALICE,
        "device_id": "PHONE",
        "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "keys": {"ed25519:PHONE": public(DEVICE), "curve25519:PHONE": public(OTHER)},
        **changes,
    }
    return signed(keys, ALICE, "PHONE", DEVICE)


def cross_signing_key(usage: str, key: SigningKey, **changes: Any) -> dict[str, Any]:
    keys = {f"ed25519:{public(key)}": public(key)}
    return {"user_id": ALICE, "usage": [usage], "keys": keys, **changes}


def test_device_keys_keep_the_signature_of_the_device_and_no_other() -> None:
    keys = device_keys()
    more = {
        **keys,
        "unsigned": {"name": "x"},
        "signatures": {**keys["signatures"], BOB: {"a": "b"}},
    }

    assert checked_device_keys(more, ALICE, "PHONE") == keys


@given(st.sampled_from(["user_id", "algorithms", "keys", "more"]), st.text(max_size=3))
def test_no_part_of_device_keys_can_be_changed_after_they_were_signed(
    name: str, value: str
) -> None:
    changed = {**device_keys(), name: [value]}
    if name == "keys":
        changed["keys"] = {**device_keys()["keys"], "curve25519:PHONE": value}

    with pytest.raises(MatrixError):
        checked_device_keys(changed, ALICE, "PHONE")


def test_a_signed_one_time_key_is_checked_with_the_key_of_the_device() -> None:
    key = signed({"key": "abc", "fallback": True}, ALICE, "PHONE", DEVICE)
    name = "signed_curve25519:AAAA"

    assert checked_claimable(name, key, ALICE, "PHONE", device_keys()) == (
        "signed_curve25519",
        "AAAA",
    )
    for wrong in (
        {**key, "key": "abd"},
        {**key, "fallback": False},
        signed({"key": "abc"}, ALICE, "PHONE", OTHER),
        signed({"key": "abc"}, ALICE, "LAPTOP", DEVICE),
        signed({"key": "abc"}, BOB, "PHONE", DEVICE),
    ):
        with pytest.raises(KeySignatureInvalid):
            checked_claimable(name, wrong, ALICE, "PHONE", device_keys())
    with pytest.raises(InvalidParam):
        checked_claimable(name, key, ALICE, "PHONE", None)
    assert checked_claimable("curve25519:A", "abc", ALICE, "PHONE", None) == ("curve25519", "A")


def test_one_time_keys_are_compared_without_their_signatures() -> None:
    key = signed({"key": "abc"}, ALICE, "PHONE", DEVICE)

    assert is_same_key(key, {**key, "signatures": {}})
    assert not is_same_key(key, {**key, "key": "abd"})
    assert not is_same_key("abc", key)


@pytest.mark.parametrize("usage", ["master", "self_signing", "user_signing"])
def test_a_cross_signing_key_is_its_users_and_named_like_its_public_key(usage: Usage) -> None:
    key = cross_signing_key(usage, OTHER)

    assert checked_cross_signing_key(key, ALICE, usage) == public(OTHER)
    changes: list[dict[str, Any]] = [
        {"user_id": BOB},
        {"usage": ["other"]},
        {"usage": usage},
        {"keys": {}},
        {"keys": {f"ed25519:{public(MASTER)}": public(OTHER)}},
        {"keys": {f"ed25519:{public(OTHER)}": public(OTHER), "ed25519:x": "x"}},
        {"keys": {"ed25519:abc": "abc"}},
        {"keys": {"ed25519:abc": 5}},
    ]
    for change in changes:
        with pytest.raises(InvalidParam):
            checked_cross_signing_key({**key, **change}, ALICE, usage)


def test_further_cross_signing_keys_are_signed_by_the_master_key() -> None:
    key = cross_signing_key("self_signing", OTHER)
    good = signed(key, ALICE, public(MASTER), MASTER)

    assert signed_by_master({**good, "unsigned": {}}, ALICE, public(MASTER)) == good
    for wrong in (key, signed(key, ALICE, public(MASTER), OTHER), {**good, "more": 1}):
        with pytest.raises(KeySignatureInvalid):
            signed_by_master(wrong, ALICE, public(MASTER))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda key: signed(key, ALICE, public(OTHER), DEVICE), KeySignatureInvalid),
        (lambda key: signed(key, ALICE, "PHONE", DEVICE), KeySignatureInvalid),
        (lambda key: signed(key, BOB, public(OTHER), OTHER), KeySignatureInvalid),
        (lambda key: {**key, "signatures": {ALICE: []}}, BadJson),
        (lambda key: {**key, "signatures": []}, BadJson),
    ],
)
def test_only_keys_that_may_sign_sign(
    make: Callable[[dict[str, Any]], dict[str, Any]], error: type[MatrixError]
) -> None:
    key = bare(device_keys())
    allowed = {f"ed25519:{public(OTHER)}": public(OTHER)}
    good = signed(key, ALICE, public(OTHER), OTHER)

    assert valid_signatures(good, ALICE, allowed) == good["signatures"][ALICE]
    with pytest.raises(error):
        valid_signatures(make(key), ALICE, allowed)
