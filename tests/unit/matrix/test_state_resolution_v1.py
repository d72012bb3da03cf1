"""State resolution v1, told as stories of forked rooms of version 1."""

from hashlib import sha1

from matrix.identifiers import EventID
from matrix.state_keys import JOIN_RULES, POWER_LEVELS, StateKey, member_key
from matrix.state_resolution import resolve_state
from tests.unit.matrix.rooms import ALICE, BOB, CHARLIE, MALLORY, Branch

TOPIC: StateKey = ("m.room.topic", "")


def resolve(*branches: Branch) -> dict[StateKey, EventID]:
    """Return what the states of these branches resolve to, in whatever order they come."""
    room = branches[0].room
    resolved = resolve_state(room.version, [branch.ids for branch in branches], room)
    backwards = resolve_state(room.version, [branch.ids for branch in reversed(branches)], room)
    assert resolved == backwards
    return resolved


def peopled() -> Branch:
    """Return a public room where alice rules and bob has level 50."""
    branch = Branch.with_alice("1").open_to(BOB, CHARLIE)
    branch.power_levels(users={BOB: 50})
    return branch


def test_equal_states_load_nothing() -> None:
    branch = peopled()

    assert resolve(branch, branch.fork()) == branch.ids
    assert branch.room.loaded == []


def test_what_only_one_branch_has_is_no_conflict() -> None:
    left = peopled()
    right = left.fork()
    left.topic(ALICE, "left")
    right.member(ALICE, MALLORY, "ban")

    assert resolve(left, right) == {**left.ids, **right.ids}
    assert left.room.loaded == []


def test_of_two_topics_the_deeper_one_stands() -> None:
    left = peopled()
    right = left.fork()
    left.send(BOB, "m.room.message", {})
    deeper = left.topic(ALICE, "deeper", ts=1)
    right.topic(ALICE, "later", ts=9000)

    assert resolve(left, right)[TOPIC] == deeper.event_id


def test_of_two_equally_deep_topics_the_lower_hash_stands() -> None:
    left = peopled()
    right = left.fork()
    topics = [left.topic(ALICE, "left").event_id, right.topic(ALICE, "right").event_id]

    lower = min(topics, key=lambda event_id: sha1(event_id.encode()).digest())
    assert resolve(left, right)[TOPIC] == lower


def test_a_topic_that_is_not_allowed_gives_way_to_a_less_deep_one() -> None:
    left = peopled()
    right = left.fork()
    alices = left.topic(ALICE, "alice's")
    left.member(ALICE, BOB, "ban")
    right.send(BOB, "m.room.message", {})
    right.send(BOB, "m.room.message", {})
    right.topic(BOB, "bob's")
    right.state[member_key(BOB)] = left.state[member_key(BOB)]

    assert resolve(left, right)[TOPIC] == alices.event_id


def test_where_no_topic_is_allowed_the_least_deep_one_stands() -> None:
    left = peopled()
    right = left.fork()
    first = left.topic(BOB, "first")
    right.send(BOB, "m.room.message", {})
    right.topic(BOB, "second")
    for branch in (left, right):
        branch.member(ALICE, BOB, "ban")
    right.state[member_key(BOB)] = left.state[member_key(BOB)]

    assert resolve(left, right)[TOPIC] == first.event_id


def test_power_levels_go_on_as_long_as_each_allows_the_next() -> None:
    left = peopled()
    first = left.fork()
    left.power_levels(BOB, users={BOB: 50, CHARLIE: 50})
    last = left.power_levels(CHARLIE, users={BOB: 50, CHARLIE: 40})
    middle = left.fork()
    middle.state[POWER_LEVELS] = left.room.known[last.auth_event_ids[1]]

    assert resolve(first, middle, left)[POWER_LEVELS] == last.event_id


def test_power_levels_stop_at_the_first_that_is_not_allowed() -> None:
    left = peopled()
    first = left.fork()
    left.power_levels(BOB, users={BOB: 50, CHARLIE: 50})
    left.power_levels(CHARLIE, users={BOB: 50, CHARLIE: 40})

    # Without the event that promoted charlie, charlie's own is not allowed.
    assert resolve(first, left)[POWER_LEVELS] == first.ids[POWER_LEVELS]


def test_join_rules_see_the_power_levels_that_were_resolved() -> None:
    left = peopled()
    right = left.fork()
    left.power_levels(users={BOB: 0})
    right.join_rule("invite", sender=BOB)

    resolved = resolve(left, right)

    assert resolved[POWER_LEVELS] == left.ids[POWER_LEVELS]
    assert resolved[JOIN_RULES] == left.ids[JOIN_RULES]


def test_members_see_the_join_rules_that_were_resolved() -> None:
    left = peopled()
    left.member(CHARLIE, CHARLIE, "leave")
    right = left.fork()
    left.join_rule("invite")
    right.join(CHARLIE)

    resolved = resolve(left, right)

    assert resolved[JOIN_RULES] == left.ids[JOIN_RULES]
    assert resolved[member_key(CHARLIE)] == left.ids[member_key(CHARLIE)]


def test_a_ban_stands_against_a_shallower_rename() -> None:
    left = peopled()
    right = left.fork()
    right.join(CHARLIE, displayname="Charlie")
    left.send(ALICE, "m.room.message", {})
    ban = left.member(ALICE, CHARLIE, "ban")

    assert resolve(left, right)[member_key(CHARLIE)] == ban.event_id


def test_an_event_that_nobody_knows_is_passed_over() -> None:
    left = peopled()
    right = left.fork()
    known = left.topic(ALICE, "known")
    unknown = right.topic(ALICE, "unknown")
    del left.room.known[unknown.event_id]

    assert resolve(left, right)[TOPIC] == known.event_id
