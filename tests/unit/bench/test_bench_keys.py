import pytest

from bench.client import User
from bench.keys import SIGNED_CURVE25519, CrossSigning, Device, public_key
from matrix.encryption_keys.cross_signing import (
    USAGES,
    checked_cross_signing_key,
    signed_by_master,
    valid_signatures,
)
from matrix.encryption_keys.device_keys import checked_claimable, checked_device_keys

ALICE = User("@alice:x", "token", "PHONE")


def test_a_servers_checks_take_the_keys_of_a_device() -> None:
    device = Device(ALICE)

    assert checked_device_keys(device.keys, "@alice:x", "PHONE") == device.keys


def test_a_device_has_as_many_one_time_keys_as_wanted_and_all_are_signed() -> None:
    device = Device(ALICE)

    keys = device.one_time_keys(20)

    assert len(keys) == 20
    assert len({key["key"] for key in keys.values()}) == 20
    for name, key in keys.items():
        algorithm, _ = checked_claimable(name, key, "@alice:x", "PHONE", device.keys)
        assert algorithm == SIGNED_CURVE25519


@pytest.mark.parametrize("usage", USAGES)
def test_cross_signing_keys_are_those_of_the_user(usage: str) -> None:
    signing = CrossSigning.new(ALICE)
    key = signing.body[f"{usage}_key"]
    master = checked_cross_signing_key(signing.body["master_key"], "@alice:x", "master")

    if usage != "master":
        assert signed_by_master(key, "@alice:x", master) == key
    assert key["usage"] == [usage]


def test_devices_are_signed_by_the_self_signing_key() -> None:
    signing, device = CrossSigning.new(ALICE), Device(ALICE)
    name = public_key(signing.self_signing)

    signatures = signing.signatures([device])["@alice:x"]["PHONE"]

    allowed = {f"ed25519:{name}": name}
    assert valid_signatures(signatures, "@alice:x", allowed) == signatures["signatures"]["@alice:x"]
    assert signatures["keys"] == device.keys["keys"]
