"""The rules that every event meets: its sender, its level, its state key; and redactions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.auth_rules import check_auth
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.state_keys import StateKey
from tests.unit.matrix.rooms import (
    ALICE,
    ALL_VERSIONS,
    BOB,
    CHARLIE,
    Branch,
    refused,
    versions,
)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_only_members_send(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    branch.member(ALICE, CHARLIE, "invite")

    branch.send(BOB, "m.room.message", {})
    refused(branch.draft(CHARLIE, "m.room.message", {}), branch.state, "not in the room")
    branch.member(BOB, BOB, "leave")
    refused(branch.draft(BOB, "m.room.message", {}), branch.state, "not in the room")
    branch.member(ALICE, BOB, "ban")
    refused(branch.draft(BOB, "m.room.message", {}), branch.state, "not in the room")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_state_may_be_a_mapping_or_a_function(version: str) -> None:
    branch = Branch.with_alice(version)
    message = branch.draft(ALICE, "m.room.message", {})

    def lookup(key: StateKey) -> Event | None:
        return branch.state.get(key)

    check_auth(message, branch.state)
    check_auth(message, lookup)
    with pytest.raises(AuthRejected):
        check_auth(branch.draft(BOB, "m.room.message", {}), lookup)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_sender_needs_the_level_of_the_event_type(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB, CHARLIE)
    branch.power_levels(
        users={BOB: 30}, events={"m.room.topic": 30}, events_default=20, state_default=40
    )

    branch.topic(BOB, "mine")
    branch.send(BOB, "m.room.message", {})
    refused(branch.draft(BOB, "m.room.name", {}, ""), branch.state, "required power level")
    refused(branch.draft(CHARLIE, "m.room.message", {}), branch.state, "has level 0.*needs 20")
    refused(branch.draft(CHARLIE, "m.room.topic", {}, ""), branch.state, "needs 30")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_without_power_levels_state_needs_the_creator(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)

    branch.topic(ALICE, "mine")
    branch.send(BOB, "m.room.message", {})
    refused(branch.draft(BOB, "m.room.topic", {}, ""), branch.state, "needs 50")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_state_keys_of_users_are_their_own(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    branch.power_levels(events={"m.mine": 0})

    branch.send(BOB, "m.mine", {}, BOB)
    branch.send(BOB, "m.mine", {}, "bob")
    refused(branch.draft(BOB, "m.mine", {}, ALICE), branch.state, "another user")
    refused(branch.draft(ALICE, "m.mine", {}, BOB), branch.state, "another user")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_third_party_invite_needs_the_invite_level_only(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB, CHARLIE)
    branch.power_levels(
        users={BOB: 20}, invite=20, state_default=90, events={"m.room.third_party_invite": 90}
    )

    branch.send(BOB, "m.room.third_party_invite", {}, "token")
    refused(
        branch.draft(CHARLIE, "m.room.third_party_invite", {}, "token"),
        branch.state,
        "inviting needs 20",
    )


@pytest.mark.parametrize("version", versions(1, 2))
def test_up_to_version_2_redacting_needs_the_level_or_the_same_server(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB, CHARLIE)
    branch.power_levels(users={BOB: 30}, redact=30)
    of_one, of_two = EventID("$x:one.example"), EventID("$x:two.example")

    for sender, redacts in ((BOB, of_two), (ALICE, of_two), (CHARLIE, of_two)):
        check_auth(branch.draft(sender, "m.room.redaction", {}, redacts=redacts), branch.state)
    foreign = branch.draft(CHARLIE, "m.room.redaction", {}, redacts=of_one)
    refused(foreign, branch.state, "redacting events of other servers needs 30")
    nothing = branch.draft(CHARLIE, "m.room.redaction", {})
    refused(nothing, branch.state, "m.room.redaction")


@pytest.mark.parametrize("version", versions(3))
def test_from_version_3_on_a_redaction_is_an_ordinary_event(version: str) -> None:
    branch = Branch.with_alice(version).open_to(CHARLIE)
    branch.power_levels(users={}, redact=90)

    redaction = branch.draft(CHARLIE, "m.room.redaction", {}, redacts=branch.head.event_id)
    check_auth(redaction, branch.state)
    branch.power_levels(users={}, events={"m.room.redaction": 10})
    refused(redaction, branch.state, "required power level")


_USERS = st.sampled_from([ALICE, BOB, CHARLIE])
_CONTENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
_NAMES = st.sampled_from(
    [
        "membership",
        "join_rule",
        "join_authorised_via_users_server",
        "third_party_invite",
        "users",
        "events",
        "notifications",
        "ban",
        "users_default",
        "additional_creators",
        "room_version",
        "m.federate",
    ]
)
_VALUES = _CONTENTS | st.sampled_from(
    ["join", "invite", "leave", "ban", "knock", ALICE, {ALICE: 100}, {"signed": {"token": "t"}}]
)


@given(
    version=st.sampled_from(ALL_VERSIONS),
    event_type=st.sampled_from(
        [
            "m.room.create",
            "m.room.member",
            "m.room.power_levels",
            "m.room.join_rules",
            "m.room.third_party_invite",
            "m.room.aliases",
            "m.room.redaction",
            "m.other",
        ]
    ),
    sender=_USERS,
    state_key=st.sampled_from([None, "", ALICE, BOB, "t", "one.example"]),
    content=st.dictionaries(_NAMES, _VALUES, max_size=4),
    held=st.dictionaries(_NAMES, _VALUES, max_size=4),
)
def test_whatever_an_event_or_the_state_holds_the_answer_is_yes_or_refused(
    *,
    version: str,
    event_type: str,
    sender: str,
    state_key: str | None,
    content: dict[str, object],
    held: dict[str, object],
) -> None:
    branch = Branch.with_alice(version)
    for held_type, key in (
        ("m.room.power_levels", ""),
        ("m.room.join_rules", ""),
        ("m.room.third_party_invite", "t"),
        ("m.room.member", BOB),
    ):
        branch.add(branch.draft(ALICE, held_type, held, key))
    event = branch.draft(sender, event_type, content, state_key)

    outcomes = set()
    for _ in range(2):
        try:
            check_auth(event, branch.state)
            outcomes.add("")
        except AuthRejected as refusal:
            outcomes.add(refusal.message)

    assert len(outcomes) == 1
    assert len(outcomes.pop()) < 1000
