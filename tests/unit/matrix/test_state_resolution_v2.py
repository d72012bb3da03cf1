"""State resolution v2 and v2.1, told as stories of forked rooms."""

import pytest

from matrix.identifiers import EventID
from matrix.state_keys import CREATE, JOIN_RULES, POWER_LEVELS, StateKey, member_key
from matrix.state_resolution import resolve_state
from tests.unit.matrix.rooms import ALICE, BOB, CHARLIE, MALLORY, Branch, versions

TOPIC: StateKey = ("m.room.topic", "")
V2 = versions(2)
"""All versions with state resolution v2 or v2.1."""


def resolve(*branches: Branch) -> dict[StateKey, EventID]:
    """Return what the states of these branches resolve to, in whatever order they come."""
    room = branches[0].room
    resolved = resolve_state(room.version, [branch.ids for branch in branches], room)
    backwards = resolve_state(room.version, [branch.ids for branch in reversed(branches)], room)
    assert resolved == backwards
    return resolved


def peopled(version: str) -> Branch:
    """Return a public room where alice rules and bob has level 50."""
    branch = Branch.with_alice(version).open_to(BOB, CHARLIE)
    branch.power_levels(users={BOB: 50})
    return branch


@pytest.mark.parametrize("version", V2)
def test_branches_that_change_different_things_add_up(version: str) -> None:
    left = peopled(version)
    right = left.fork()
    topic = left.topic(ALICE, "left")
    name = right.send(ALICE, "m.room.name", {"name": "right"}, "")

    resolved = resolve(left, right)

    assert resolved == {
        **left.ids,
        TOPIC: topic.event_id,
        ("m.room.name", ""): name.event_id,
    }


@pytest.mark.parametrize("version", V2)
def test_of_two_topics_the_later_one_stands(version: str) -> None:
    left = peopled(version)
    right = left.fork()
    later = left.topic(ALICE, "left", ts=9000)
    right.topic(BOB, "right", ts=8000)

    assert resolve(left, right)[TOPIC] == later.event_id


@pytest.mark.parametrize("version", V2)
def test_of_two_topics_of_the_same_time_the_greater_event_id_stands(version: str) -> None:
    left = peopled(version)
    right = left.fork()
    topics = [left.topic(ALICE, "left", ts=9000), right.topic(ALICE, "right", ts=9000)]

    assert resolve(left, right)[TOPIC] == max(topic.event_id for topic in topics)


@pytest.mark.parametrize("version", V2)
def test_a_ban_undoes_what_the_banned_did_meanwhile(version: str) -> None:
    left = peopled(version)
    before = left.topic(ALICE, "before")
    right = left.fork()
    ban = left.member(ALICE, BOB, "ban")
    right.topic(BOB, "meanwhile")

    resolved = resolve(left, right)

    assert resolved[member_key(BOB)] == ban.event_id
    assert resolved[TOPIC] == before.event_id


@pytest.mark.parametrize("version", V2)
def test_a_ban_goes_before_the_power_levels_of_the_banned(version: str) -> None:
    left = peopled(version)
    right = left.fork()
    left.join(ALICE, displayname="Alice")
    ban = left.member(ALICE, BOB, "ban")
    right.power_levels(BOB, users={BOB: 50, CHARLIE: 50}, ts=1)

    resolved = resolve(left, right)

    assert resolved[member_key(BOB)] == ban.event_id
    assert resolved[POWER_LEVELS] == left.ids[POWER_LEVELS]


@pytest.mark.parametrize("version", V2)
def test_a_ban_is_not_evaded_by_joining_again_elsewhere(version: str) -> None:
    left = peopled(version)
    left.member(MALLORY, MALLORY, "join")
    right = left.fork()
    ban = left.member(BOB, MALLORY, "ban")
    right.join(MALLORY, displayname="Mallory", ts=9000)

    assert resolve(left, right)[member_key(MALLORY)] == ban.event_id


@pytest.mark.parametrize("version", V2)
def test_join_rules_are_not_evaded_by_joining_on_another_branch(version: str) -> None:
    left = peopled(version)
    right = left.fork()
    rule = left.join_rule("invite")
    right.join(MALLORY)

    resolved = resolve(left, right)

    assert resolved[JOIN_RULES] == rule.event_id
    assert member_key(MALLORY) not in resolved


@pytest.mark.parametrize("version", V2)
def test_power_levels_off_the_topic_resolve_to_the_last_that_is_allowed(version: str) -> None:
    left = peopled(version)
    right = left.fork()
    left.power_levels(BOB, users={BOB: 50, CHARLIE: 50})
    last = left.power_levels(CHARLIE, users={BOB: 50, CHARLIE: 0})

    assert resolve(left, right)[POWER_LEVELS] == last.event_id


@pytest.mark.parametrize("version", V2)
def test_who_lost_their_power_changes_nothing_more_elsewhere(version: str) -> None:
    left = Branch.with_alice(version).open_to(BOB)
    left.power_levels(users={})
    left.topic(ALICE, "first")
    left.power_levels(users={BOB: 50})
    right = left.fork()
    topic = left.topic(ALICE, "alice's")
    demotion = left.power_levels(users={BOB: 0})
    right.power_levels(BOB, users={BOB: 50}, kick=40)
    right.topic(BOB, "bob's")

    resolved = resolve(left, right)

    assert resolved[POWER_LEVELS] == demotion.event_id
    assert resolved[TOPIC] == topic.event_id


@pytest.mark.parametrize("version", V2)
def test_a_topic_falls_back_when_its_author_was_banned_before_the_fork_met(version: str) -> None:
    left = Branch.with_alice(version).open_to(BOB)
    left.power_levels(users={})
    first = left.topic(ALICE, "first")
    right = left.fork()
    levels = left.power_levels(users={BOB: 50})
    left.topic(BOB, "bob's")
    ban = left.member(ALICE, BOB, "ban")

    resolved = resolve(left, right)

    assert resolved[TOPIC] == first.event_id
    assert resolved[member_key(BOB)] == ban.event_id
    assert resolved[POWER_LEVELS] == levels.event_id


@pytest.mark.parametrize("version", V2)
def test_what_builds_on_newer_power_levels_goes_before_what_is_newer(version: str) -> None:
    left = peopled(version)
    right = left.fork()
    left.topic(ALICE, "on the old power levels", ts=9000)
    right.power_levels(users={BOB: 50}, kick=40)
    right.join(ALICE, displayname="Alice")
    mainline = right.topic(ALICE, "on the new power levels", ts=8000)

    assert resolve(left, right)[TOPIC] == mainline.event_id


@pytest.mark.parametrize("version", V2)
def test_power_levels_off_the_mainline_count_by_where_they_attach(version: str) -> None:
    trunk = peopled(version)
    aside = trunk.fork()
    older = trunk.fork()
    trunk.power_levels(ALICE, users={BOB: 50}, kick=30)
    trunk.topic(ALICE, "on the mainline", ts=5000)
    aside.power_levels(BOB, users={BOB: 50}, kick=20, ts=1)
    aside.topic(BOB, "aside", ts=9000)
    older.topic(BOB, "older", ts=8000)

    resolved = resolve(trunk, aside, older)

    # Bob's power levels come after alice's in the order, so they are the mainline's head.
    assert resolved[POWER_LEVELS] == aside.ids[POWER_LEVELS]
    assert resolved[TOPIC] == aside.ids[TOPIC]


@pytest.mark.parametrize("version", V2)
def test_of_power_events_the_less_powerful_sender_comes_last_and_stands(version: str) -> None:
    left = peopled(version)
    right = left.fork()
    left.join_rule("invite", sender=ALICE)
    bobs = right.join_rule("private", sender=BOB)
    tie = right.fork()
    later = tie.join_rule("other", sender=BOB)

    assert resolve(left, right)[JOIN_RULES] == bobs.event_id
    assert resolve(left, right, tie)[JOIN_RULES] == later.event_id


@pytest.mark.parametrize("version", V2)
def test_three_branches_resolve_at_once(version: str) -> None:
    left = peopled(version)
    middle, right = left.fork(), left.fork()
    left.member(ALICE, BOB, "ban")
    middle.topic(BOB, "bob's")
    right.join(MALLORY)
    topic = right.topic(ALICE, "alice's")

    resolved = resolve(left, middle, right)

    assert resolved == {
        **left.ids,
        member_key(MALLORY): right.ids[member_key(MALLORY)],
        TOPIC: topic.event_id,
    }


def with_a_name_by_bob(version: str) -> Branch:
    """Return a room in which bob's join is in the auth chain of every later state."""
    branch = peopled(version)
    branch.send(BOB, "m.room.name", {"name": "bob's"}, "")
    return branch


@pytest.mark.parametrize("version", V2)
def test_missing_state_is_taken_from_the_events_own_auth_events(version: str) -> None:
    left = with_a_name_by_bob(version)
    left.topic(ALICE, "alice's")
    right = left.fork()
    bobs = right.topic(BOB, "bob's")
    for branch in (left, right):
        del branch.state[member_key(BOB)]

    assert resolve(left, right)[TOPIC] == bobs.event_id


@pytest.mark.parametrize("version", V2)
def test_a_rejected_auth_event_does_not_stand_in_for_missing_state(version: str) -> None:
    left = with_a_name_by_bob(version)
    alices = left.topic(ALICE, "alice's")
    right = left.fork()
    right.topic(BOB, "bob's")
    for branch in (left, right):
        branch.room.rejected.add(branch.state.pop(member_key(BOB)).event_id)

    assert resolve(left, right)[TOPIC] == alices.event_id


@pytest.mark.parametrize("version", V2)
def test_an_event_that_nobody_knows_is_not_allowed(version: str) -> None:
    left = peopled(version)
    topic = left.topic(ALICE, "known")
    right = left.fork()
    unknown = right.topic(ALICE, "unknown")
    del left.room.known[unknown.event_id]

    assert resolve(left, right)[TOPIC] == topic.event_id


def stale_power_levels(version: str) -> tuple[Branch, Branch]:
    """Return the present state of a room, and one in which its power levels are outdated.

    Bob set the present ones by a power that came between, and on which all of the rest builds.
    """
    present = Branch.with_alice(version).open_to(BOB)
    outdated = present.power_levels(users={})
    present.power_levels(users={BOB: 100})
    present.join(CHARLIE)
    present.power_levels(BOB, users={BOB: 100}, ban=60)
    stale = present.fork()
    stale.state[POWER_LEVELS] = outdated
    return present, stale


@pytest.mark.parametrize("version", versions(2, 11))
def test_v2_falls_back_to_outdated_power_levels(version: str) -> None:
    present, stale = stale_power_levels(version)

    assert resolve(present, stale)[POWER_LEVELS] == stale.ids[POWER_LEVELS]


def test_v2_1_sees_what_lies_between_conflicting_power_levels() -> None:
    present, stale = stale_power_levels("12")

    assert resolve(present, stale)[POWER_LEVELS] == present.ids[POWER_LEVELS]


def departed_author(version: str) -> tuple[Branch, Branch]:
    """Return a state whose power levels bob set before he left, and one with those before."""
    present = Branch.with_alice(version).open_to(BOB)
    outdated = present.power_levels(users={BOB: 50})
    present.power_levels(BOB, users={BOB: 50}, kick=30)
    present.member(BOB, BOB, "leave")
    stale = present.fork()
    stale.state[POWER_LEVELS] = outdated
    return present, stale


@pytest.mark.parametrize("version", versions(2, 11))
def test_v2_undoes_the_power_levels_of_one_who_left_since(version: str) -> None:
    present, stale = departed_author(version)

    assert resolve(present, stale)[POWER_LEVELS] == stale.ids[POWER_LEVELS]


def test_v2_1_starts_from_nothing_and_keeps_the_power_levels_of_one_who_left() -> None:
    present, stale = departed_author("12")

    resolved = resolve(present, stale)

    assert resolved[POWER_LEVELS] == present.ids[POWER_LEVELS]
    assert resolved[member_key(BOB)] == present.ids[member_key(BOB)]


def test_v2_1_keeps_join_rules_between_a_stale_member_and_a_present_one() -> None:
    present = Branch.with_alice("12").open_to(BOB)
    present.power_levels(users={})
    present.member(BOB, BOB, "leave")
    left = present.state[member_key(BOB)]
    present.join_rule("invite")
    present.member(ALICE, BOB, "invite")
    present.join(BOB)
    stale = present.fork()
    stale.state[member_key(BOB)] = left

    assert resolve(present, stale)[member_key(BOB)] == present.ids[member_key(BOB)]


@pytest.mark.parametrize("version", V2)
def test_two_creators_cannot_take_the_room_from_each_other(version: str) -> None:
    left = Branch.with_alice(version, additional_creators=[BOB]).open_to(BOB)
    left.power_levels(users={} if version == "12" else {BOB: 100})
    right = left.fork()
    left.power_levels(ALICE, users={CHARLIE: 100} if version == "12" else {BOB: 100})
    latest = right.power_levels(
        BOB, users={MALLORY: 100} if version == "12" else {BOB: 100, CHARLIE: 5}, ts=9000
    )

    assert resolve(left, right)[POWER_LEVELS] == latest.event_id


@pytest.mark.parametrize("version", V2)
def test_a_fork_of_a_large_room_loads_what_differs_and_what_that_cites(version: str) -> None:
    left = peopled(version)
    for number in range(100):
        left.join(f"@user{number}:two.example")
    right = left.fork()
    left.topic(ALICE, "left")
    right.topic(BOB, "right")
    room = left.room

    resolve_state(room.version, [left.ids, right.ids], room)

    expected = {left.ids[TOPIC], right.ids[TOPIC], left.ids[CREATE], left.ids[POWER_LEVELS]}
    expected |= {left.ids[member_key(ALICE)], left.ids[member_key(BOB)]}
    assert sorted(room.loaded) == sorted(expected)


@pytest.mark.parametrize("version", V2)
def test_equal_states_load_nothing(version: str) -> None:
    branch = peopled(version)

    assert resolve(branch, branch.fork()) == branch.ids
    assert branch.room.loaded == []
