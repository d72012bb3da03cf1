"""The rules about member events."""

from typing import Any

import pytest

from matrix.auth_rules import check_auth
from matrix.events import Event
from tests.unit.matrix.rooms import (
    ALICE,
    ALL_VERSIONS,
    BOB,
    CHARLIE,
    MALLORY,
    Branch,
    refused,
    versions,
)

VIA_ALICE = {"join_authorised_via_users_server": ALICE}
RESTRICTED = [
    *((version, "restricted") for version in versions(8)),
    *((version, "knock_restricted") for version in versions(10)),
]


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_member_event_names_its_target_and_a_membership(version: str) -> None:
    branch = Branch.with_alice(version).open_to()

    refused(branch.draft(BOB, "m.room.member", {"membership": "join"}), branch.state, "state_key")
    refused(branch.draft(BOB, "m.room.member", {}, BOB), branch.state, "membership is missing")


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("membership", ["joined", "", None, 17, ["join"], {"join": True}])
def test_an_unknown_membership_is_refused(version: str, membership: Any) -> None:
    branch = Branch.with_alice(version)

    refused(branch.draft_member(ALICE, ALICE, membership), branch.state, "is no membership")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_creator_joins_first(version: str) -> None:
    branch = Branch.new(version)

    check_auth(branch.draft_member(ALICE, ALICE, "join"), branch.state)
    refused(branch.draft_member(BOB, BOB, "join"), branch.state, "not invited")
    refused(branch.draft_member(BOB, CHARLIE, "join"), branch.state, "cannot join for")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_creator_who_has_left_needs_an_invite_like_anybody(version: str) -> None:
    branch = Branch.with_alice(version)
    branch.member(ALICE, ALICE, "leave")

    refused(branch.draft_member(ALICE, ALICE, "join"), branch.state, "not invited")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_who_joins_first_is_told_by_the_create_event(version: str) -> None:
    branch = Branch.new(version, creator=BOB, additional_creators=[BOB])

    bob = branch.draft_member(BOB, BOB, "join")
    if version in versions(1, 10):
        check_auth(bob, branch.state)
        refused(branch.draft_member(ALICE, ALICE, "join"), branch.state, "not invited")
    else:
        refused(bob, branch.state, "not invited")
        check_auth(branch.draft_member(ALICE, ALICE, "join"), branch.state)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_public_room_takes_whoever_is_not_banned(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    branch.member(ALICE, CHARLIE, "ban")

    refused(branch.draft_member(CHARLIE, CHARLIE, "join"), branch.state, "is banned")
    refused(branch.draft_member(BOB, MALLORY, "join"), branch.state, "cannot join for")
    branch.join(BOB, displayname="Bob")
    branch.join(MALLORY)


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("rule", ["invite", None])
def test_an_invite_room_takes_the_invited(version: str, rule: str | None) -> None:
    branch = Branch.with_alice(version)
    if rule is not None:
        branch.join_rule(rule)

    refused(branch.draft_member(BOB, BOB, "join"), branch.state, "not invited")
    branch.member(ALICE, BOB, "invite")
    branch.join(BOB)
    branch.join(BOB, displayname="Bob")


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("rule", ["private", "other", "", None, ["public"], 17])
def test_under_an_unknown_join_rule_nobody_joins(version: str, rule: Any) -> None:
    branch = Branch.with_alice(version)
    branch.join_rule(rule)
    branch.member(ALICE, BOB, "invite")

    refused(branch.draft_member(BOB, BOB, "join"), branch.state, "join rule")


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize(
    ("rule", "since"), [("knock", 7), ("restricted", 8), ("knock_restricted", 10)]
)
def test_join_rules_hold_from_their_version_on(version: str, rule: str, since: int) -> None:
    branch = Branch.with_alice(version)
    branch.join_rule(rule)
    branch.member(ALICE, BOB, "invite")
    join = branch.draft_member(BOB, BOB, "join")

    if version in versions(since):
        check_auth(join, branch.state)
        refused(branch.draft_member(CHARLIE, CHARLIE, "join"), branch.state, "join")
    else:
        refused(join, branch.state, "join rule")


@pytest.mark.parametrize(("version", "rule"), RESTRICTED)
def test_a_restricted_join_needs_a_member_who_may_invite(version: str, rule: str) -> None:
    branch = Branch.with_alice(version).open_to(CHARLIE)
    branch.power_levels(users={}, invite=50)
    branch.join_rule(rule)

    def join_via(authoriser: str) -> Event:
        return branch.draft_member(BOB, BOB, "join", join_authorised_via_users_server=authoriser)

    check_auth(join_via(ALICE), branch.state)
    refused(join_via(CHARLIE), branch.state, "may not invite")
    refused(join_via(MALLORY), branch.state, "not in the room")
    refused(branch.draft_member(BOB, BOB, "join"), branch.state, "no join_authorised_via")


@pytest.mark.parametrize(("version", "rule"), RESTRICTED)
def test_a_restricted_room_takes_members_and_the_invited_as_they_are(
    version: str, rule: str
) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    branch.join_rule(rule)
    branch.member(ALICE, CHARLIE, "invite")

    branch.join(BOB, displayname="Bob")
    branch.join(CHARLIE)
    branch.member(ALICE, CHARLIE, "ban")
    refused(branch.draft_member(CHARLIE, CHARLIE, "join", **VIA_ALICE), branch.state, "banned")


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("authoriser", ["alice", "", None, 17, [ALICE]])
def test_from_version_8_on_only_a_user_can_authorise(version: str, authoriser: Any) -> None:
    branch = Branch.with_alice(version).open_to()
    join = branch.draft_member(BOB, BOB, "join", join_authorised_via_users_server=authoriser)

    if version in versions(8):
        refused(join, branch.state, "no user ID")
    else:
        check_auth(join, branch.state)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_inviting_needs_a_member_of_the_invite_level(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    branch.power_levels(users={BOB: 10}, invite=20)

    refused(branch.draft_member(BOB, CHARLIE, "invite"), branch.state, "inviting needs 20")
    refused(branch.draft_member(MALLORY, CHARLIE, "invite"), branch.state, "not in the room")
    branch.power_levels(users={BOB: 20}, invite=20)
    branch.member(BOB, CHARLIE, "invite")
    branch.member(BOB, CHARLIE, "invite", reason="again")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_members_and_the_banned_cannot_be_invited(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    branch.member(ALICE, CHARLIE, "ban")

    refused(branch.draft_member(ALICE, BOB, "invite"), branch.state, "is join already")
    refused(branch.draft_member(ALICE, CHARLIE, "invite"), branch.state, "is ban already")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_one_leaves_what_one_is_in(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    branch.member(ALICE, CHARLIE, "invite")

    branch.member(BOB, BOB, "leave")
    branch.member(CHARLIE, CHARLIE, "leave")
    refused(branch.draft_member(BOB, BOB, "leave"), branch.state, "not in the room")
    refused(branch.draft_member(MALLORY, MALLORY, "leave"), branch.state, "not in the room")
    branch.member(ALICE, BOB, "ban")
    refused(branch.draft_member(BOB, BOB, "leave"), branch.state, "not in the room")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_from_version_7_on_a_knock_can_be_taken_back(version: str) -> None:
    branch = Branch.with_alice(version)
    branch.add(branch.draft_member(BOB, BOB, "knock"))
    leave = branch.draft_member(BOB, BOB, "leave")

    if version in versions(7):
        check_auth(leave, branch.state)
    else:
        refused(leave, branch.state, "leave")


def moderated(version: str) -> Branch:
    """Return a room where bob has level 50, charlie 40 and mallory 0."""
    branch = Branch.with_alice(version).open_to(BOB, CHARLIE, MALLORY)
    branch.power_levels(users={BOB: 50, CHARLIE: 40}, kick=40, ban=50)
    return branch


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_kicking_needs_the_kick_level_and_more_than_the_target_has(version: str) -> None:
    branch = moderated(version)

    for sender, target in ((BOB, MALLORY), (BOB, CHARLIE), (CHARLIE, MALLORY), (ALICE, BOB)):
        check_auth(branch.draft_member(sender, target, "leave"), branch.state)
    refused(branch.draft_member(MALLORY, CHARLIE, "leave"), branch.state, "kicking needs 40")
    refused(branch.draft_member(CHARLIE, BOB, "leave"), branch.state, "not below")
    refused(branch.draft_member(BOB, ALICE, "leave"), branch.state, "not below")
    branch.member(BOB, BOB, "leave")
    refused(branch.draft_member(BOB, MALLORY, "leave"), branch.state, "not in the room")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_equals_cannot_kick_or_ban_each_other(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB, CHARLIE)
    branch.power_levels(users={BOB: 50, CHARLIE: 50})

    for membership in ("leave", "ban"):
        refused(branch.draft_member(BOB, CHARLIE, membership), branch.state, "not below")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_banning_needs_the_ban_level_and_more_than_the_target_has(version: str) -> None:
    branch = moderated(version)

    for target in (MALLORY, CHARLIE, "@nobody:two.example"):
        check_auth(branch.draft_member(BOB, target, "ban"), branch.state)
    refused(branch.draft_member(CHARLIE, MALLORY, "ban"), branch.state, "banning needs 50")
    refused(branch.draft_member(BOB, ALICE, "ban"), branch.state, "not below")
    branch.member(BOB, BOB, "leave")
    refused(branch.draft_member(BOB, MALLORY, "ban"), branch.state, "not in the room")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_unbanning_needs_the_ban_level_as_well(version: str) -> None:
    branch = moderated(version)
    branch.member(BOB, MALLORY, "ban")

    refused(branch.draft_member(CHARLIE, MALLORY, "leave"), branch.state, "banning needs 50")
    branch.member(BOB, MALLORY, "leave")
    branch.join(MALLORY)


def test_creators_of_version_12_can_neither_be_kicked_nor_kick_each_other() -> None:
    branch = Branch.with_alice("12", additional_creators=[BOB]).open_to(BOB, CHARLIE)
    branch.power_levels(users={CHARLIE: 2**53 - 1})

    for sender, target in ((CHARLIE, ALICE), (CHARLIE, BOB), (BOB, ALICE), (ALICE, BOB)):
        for membership in ("leave", "ban"):
            refused(branch.draft_member(sender, target, membership), branch.state, "not below")
    branch.member(BOB, CHARLIE, "ban")


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize(("rule", "since"), [("knock", 7), ("knock_restricted", 10)])
def test_knocking_is_for_rooms_that_allow_it(version: str, rule: str, since: int) -> None:
    branch = Branch.with_alice(version)
    branch.join_rule(rule)
    knock = branch.draft_member(BOB, BOB, "knock")

    if version in versions(since):
        check_auth(knock, branch.state)
        branch.join_rule("invite")
        refused(knock, branch.state, "knock")
    else:
        refused(knock, branch.state, "knock")


@pytest.mark.parametrize("version", versions(7))
@pytest.mark.parametrize("rule", ["public", "invite", "restricted", "private"])
def test_other_join_rules_do_not_take_knocks(version: str, rule: str) -> None:
    branch = Branch.with_alice(version)
    branch.join_rule(rule)

    refused(branch.draft_member(BOB, BOB, "knock"), branch.state, "a user cannot knock")


@pytest.mark.parametrize("version", versions(7))
def test_only_outsiders_knock_and_for_themselves(version: str) -> None:
    branch = Branch.with_alice(version)
    branch.join_rule("knock")
    branch.member(ALICE, CHARLIE, "invite")
    branch.member(ALICE, MALLORY, "ban")

    branch.member(BOB, BOB, "knock")
    branch.member(BOB, BOB, "knock", reason="again")
    refused(branch.draft_member(BOB, CHARLIE, "knock"), branch.state, "cannot knock for")
    for user in (ALICE, CHARLIE, MALLORY):
        refused(branch.draft_member(user, user, "knock"), branch.state, "already")
