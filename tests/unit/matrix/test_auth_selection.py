"""Which events authorise an event, and the rules about its list of them."""

from typing import Any

import pytest

from matrix.auth_rules import auth_state_keys, check_auth_events
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.room_versions import ROOM_VERSIONS
from matrix.state_keys import CREATE, JOIN_RULES, POWER_LEVELS, StateKey, member_key
from tests.unit.matrix.rooms import ALICE, ALL_VERSIONS, BOB, CHARLIE, Branch, versions


def selected(
    version: str, content: dict[str, Any], state_key: str | None = BOB, sender: str = ALICE
) -> list[StateKey]:
    keys = auth_state_keys(
        ROOM_VERSIONS[version],
        type="m.room.member",
        sender=sender,
        state_key=state_key,
        content=content,
    )
    assert len(keys) == len(set(keys))
    return keys


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_nothing_authorises_the_create_event(version: str) -> None:
    keys = auth_state_keys(
        ROOM_VERSIONS[version], type="m.room.create", sender=ALICE, state_key="", content={}
    )

    assert keys == []


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("state_key", [None, "", BOB])
def test_an_event_needs_create_power_levels_and_its_sender(
    version: str, state_key: str | None
) -> None:
    keys = auth_state_keys(
        ROOM_VERSIONS[version], type="m.other", sender=ALICE, state_key=state_key, content={}
    )

    base = {POWER_LEVELS, member_key(ALICE)}
    assert set(keys) == (base if version == "12" else base | {CREATE})


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("membership", ["leave", "ban", "other", None, []])
def test_a_member_event_needs_its_target(version: str, membership: Any) -> None:
    keys = selected(version, {"membership": membership})

    assert member_key(BOB) in keys
    assert JOIN_RULES not in keys


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("membership", ["join", "invite", "knock"])
def test_who_comes_in_needs_the_join_rules(version: str, membership: str) -> None:
    assert JOIN_RULES in selected(version, {"membership": membership})


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_who_is_sender_and_target_is_named_once(version: str) -> None:
    keys = selected(version, {"membership": "join"}, state_key=ALICE)

    assert keys.count(member_key(ALICE)) == 1


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_only_an_invite_needs_the_third_party_invite_of_its_token(version: str) -> None:
    third_party = {"third_party_invite": {"signed": {"token": "t0ken"}}}
    key = ("m.room.third_party_invite", "t0ken")

    assert key in selected(version, {"membership": "invite", **third_party})
    assert key not in selected(version, {"membership": "join", **third_party})


@pytest.mark.parametrize("third_party", [None, [], {}, {"signed": 1}, {"signed": {"token": 1}}])
def test_a_malformed_third_party_invite_needs_none(third_party: Any) -> None:
    keys = selected("11", {"membership": "invite", "third_party_invite": third_party})

    assert all(event_type != "m.room.third_party_invite" for event_type, _ in keys)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_from_version_8_on_a_join_needs_who_authorised_it(version: str) -> None:
    authorised = {"join_authorised_via_users_server": CHARLIE}

    joining = selected(version, {"membership": "join", **authorised}, sender=BOB)

    assert (member_key(CHARLIE) in joining) == (version in versions(8))
    assert member_key(CHARLIE) not in selected(version, {"membership": "leave", **authorised})
    odd = {"membership": "join", "join_authorised_via_users_server": [CHARLIE]}
    assert set(selected(version, odd)) == set(selected(version, {"membership": "join"}))


def auth_events_of(branch: Branch, event: Event) -> list[Event]:
    return [branch.room.known[event_id] for event_id in event.auth_event_ids]


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_selected_auth_events_are_accepted(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    branch.power_levels(users={})

    for event in (
        branch.draft(BOB, "m.room.message", {}),
        branch.draft_member(ALICE, CHARLIE, "invite"),
        branch.draft_member(CHARLIE, CHARLIE, "join"),
        branch.draft_member(ALICE, BOB, "ban"),
        branch.room.create,
    ):
        check_auth_events(event, auth_events_of(branch, event))


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_two_auth_events_for_one_key_are_refused(version: str) -> None:
    branch = Branch.with_alice(version)
    older = branch.state[member_key(ALICE)]
    branch.join(ALICE, displayname="Alice")
    event = branch.draft(ALICE, "m.room.message", {})

    with pytest.raises(AuthRejected, match="two events"):
        check_auth_events(event, [*auth_events_of(branch, event), older])


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_an_auth_event_that_is_not_selected_is_refused(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    event = branch.draft(ALICE, "m.room.message", {})

    for other in (branch.state[JOIN_RULES], branch.state[member_key(BOB)], event):
        with pytest.raises(AuthRejected, match="does not belong"):
            check_auth_events(event, [*auth_events_of(branch, event), other])


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_rejected_auth_event_is_refused(version: str) -> None:
    branch = Branch.with_alice(version)
    event = branch.draft(ALICE, "m.room.message", {})
    join = branch.state[member_key(ALICE)].event_id

    with pytest.raises(AuthRejected, match="itself rejected"):
        check_auth_events(event, auth_events_of(branch, event), {join})


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_an_auth_event_of_another_room_is_refused(version: str) -> None:
    branch = Branch.with_alice(version)
    event = branch.draft(ALICE, "m.room.message", {})
    elsewhere = Branch.with_alice(version, room="elsewhere")
    if version != "12":
        elsewhere.room.room_id = type(event.room_id)("!elsewhere:one.example")
        elsewhere.add(elsewhere.draft_member(ALICE, ALICE, "join"))
    foreign = elsewhere.state[member_key(ALICE)]
    own = [each for each in auth_events_of(branch, event) if each.type != "m.room.member"]

    with pytest.raises(AuthRejected, match="another room"):
        check_auth_events(event, [*own, foreign])


@pytest.mark.parametrize("version", versions(1, 11))
def test_up_to_version_11_the_create_event_is_among_the_auth_events(version: str) -> None:
    branch = Branch.with_alice(version)
    event = branch.draft(ALICE, "m.room.message", {})

    with pytest.raises(AuthRejected, match="create event is missing"):
        check_auth_events(event, [branch.state[member_key(ALICE)]])


def test_from_version_12_on_the_create_event_is_not_among_the_auth_events() -> None:
    branch = Branch.with_alice("12")
    event = branch.draft(ALICE, "m.room.message", {})

    with pytest.raises(AuthRejected, match="does not belong"):
        check_auth_events(event, [branch.room.create, *auth_events_of(branch, event)])
