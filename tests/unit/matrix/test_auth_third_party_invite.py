"""The rules about invites that redeem a third-party invite."""

from typing import Any

import pytest

from matrix.auth_rules import check_auth
from matrix.auth_rules.third_party_invite import MAX_SIGNATURE_CHECKS
from matrix.events import Event
from matrix.signing import SigningKey, sign_json
from matrix.unpadded_base64 import encode_base64, encode_base64_url_safe
from tests.unit.matrix.rooms import ALICE, ALL_VERSIONS, BOB, CHARLIE, Branch, refused

IDENTITY_KEY = SigningKey("0", b"i" * 32)
OTHER_KEY = SigningKey("0", b"o" * 32)
PUBLIC_KEY = encode_base64(IDENTITY_KEY.verify_key)
OTHER_PUBLIC_KEY = encode_base64(OTHER_KEY.verify_key)
TOKEN = {"mxid": BOB, "token": "t0ken"}
ONE_KEY = {"public_key": PUBLIC_KEY}


def offered(version: str, offer: dict[str, Any]) -> Branch:
    """Return a room in which alice has sent a third-party invite."""
    branch = Branch.with_alice(version).open_to(CHARLIE)
    branch.send(ALICE, "m.room.third_party_invite", offer, "t0ken")
    return branch


def signed(content: dict[str, Any] | None = None, key: SigningKey = IDENTITY_KEY) -> dict[str, Any]:
    return sign_json(TOKEN if content is None else content, "identity.example", key)


def invite(branch: Branch, signed_block: Any, sender: str = ALICE, target: str = BOB) -> Event:
    return branch.draft_member(
        sender, target, "invite", third_party_invite={"signed": signed_block}
    )


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_signature_of_the_public_key_redeems_the_invite(version: str) -> None:
    branch = offered(version, ONE_KEY)

    check_auth(invite(branch, signed()), branch.state)
    refused(invite(branch, signed(key=OTHER_KEY)), branch.state, "no signature fits")


@pytest.mark.parametrize(
    "offer",
    [
        {"public_keys": [{"public_key": PUBLIC_KEY}]},
        {"public_keys": [{"public_key": OTHER_PUBLIC_KEY}, {"public_key": PUBLIC_KEY}]},
        {"public_key": OTHER_PUBLIC_KEY, "public_keys": [{"public_key": PUBLIC_KEY}]},
        {"public_key": PUBLIC_KEY, "public_keys": [17, None, {}, {"public_key": 3}]},
        {"public_key": encode_base64_url_safe(IDENTITY_KEY.verify_key)},
        {"public_key": PUBLIC_KEY + "="},
    ],
)
def test_any_of_the_public_keys_will_do(offer: dict[str, Any]) -> None:
    branch = offered("11", offer)

    check_auth(invite(branch, signed()), branch.state)


@pytest.mark.parametrize(
    "offer",
    [{}, {"public_key": None}, {"public_key": "ä"}, {"public_key": "AAAA"}, {"public_keys": {}}],
)
def test_an_offer_without_a_usable_key_cannot_be_redeemed(offer: dict[str, Any]) -> None:
    branch = offered("11", offer)

    refused(invite(branch, signed()), branch.state, "no signature fits")


@pytest.mark.parametrize(
    "signatures",
    [
        None,
        [],
        {},
        {"identity.example": None},
        {"identity.example": {"ed25519:0": 17}},
        {"identity.example": {"ed25519:0": "AAAA"}},
        {"identity.example": {"ed25519:0": "no base64!"}},
        {"identity.example": {"rsa:0": signed()["signatures"]["identity.example"]["ed25519:0"]}},
    ],
)
def test_without_a_usable_signature_the_invite_is_refused(signatures: Any) -> None:
    branch = offered("11", ONE_KEY)

    refused(invite(branch, {**TOKEN, "signatures": signatures}), branch.state, "no signature fits")


def test_the_signature_covers_what_is_signed() -> None:
    branch = offered("11", ONE_KEY)

    check_auth(invite(branch, signed({**TOKEN, "more": 1})), branch.state)
    check_auth(invite(branch, {**signed(), "unsigned": 1}), branch.state)
    refused(invite(branch, {**signed(), "more": 1}), branch.state, "no signature fits")


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("third_party", [None, 17, {}, {"signed": None}, {"signed": []}])
def test_the_invite_holds_what_was_signed(version: str, third_party: Any) -> None:
    branch = offered(version, ONE_KEY)
    event = branch.draft_member(ALICE, BOB, "invite", third_party_invite=third_party)

    refused(event, branch.state, "signed is missing")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_what_was_signed_names_user_and_token(version: str) -> None:
    branch = offered(version, ONE_KEY)

    refused(invite(branch, signed({"mxid": BOB})), branch.state, "lacks mxid or token")
    refused(invite(branch, signed({"token": "t0ken"})), branch.state, "lacks mxid or token")
    odd_token = signed({"mxid": BOB, "token": 17})
    refused(invite(branch, odd_token), branch.state, "lacks mxid or token")
    refused(invite(branch, signed(), target=CHARLIE), branch.state, "another user")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_offer_stands_in_the_room_and_is_the_senders(version: str) -> None:
    branch = offered(version, ONE_KEY)

    unknown = signed({"mxid": BOB, "token": "other"})
    refused(invite(branch, unknown), branch.state, "no third-party invite with this token")
    refused(invite(branch, signed(), sender=CHARLIE), branch.state, "offered by")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_banned_cannot_redeem(version: str) -> None:
    branch = offered(version, ONE_KEY)
    branch.member(ALICE, BOB, "ban")

    refused(invite(branch, signed()), branch.state, "is banned")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_offer_outlives_its_senders_membership(version: str) -> None:
    branch = offered(version, ONE_KEY)
    branch.member(ALICE, ALICE, "leave")

    check_auth(invite(branch, signed()), branch.state)


def test_only_so_many_signatures_are_tried() -> None:
    right = signed()["signatures"]["identity.example"]["ed25519:0"]
    wrong = {
        f"ed25519:{number}": encode_base64(number.to_bytes(64, "big"))
        for number in range(MAX_SIGNATURE_CHECKS)
    }
    branch = offered("11", ONE_KEY)

    some_wrong = dict(list(wrong.items())[:100])
    few = {"identity.example": {**some_wrong, "ed25519:z": right}}
    check_auth(invite(branch, {**TOKEN, "signatures": few}), branch.state)
    many = {"identity.example": {**wrong, "ed25519:z": right}}
    refused(invite(branch, {**TOKEN, "signatures": many}), branch.state, "no signature fits")
