"""The rules about changing power levels."""

from typing import Any

import pytest

from matrix.auth_rules import check_auth
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

SCALARS = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")
MAPS = ("users", "events", "notifications")


def governed(version: str, **content: Any) -> Branch:
    """Return a room where bob has level 50, like charlie, and may change the power levels."""
    branch = Branch.with_alice(version).open_to(BOB, CHARLIE)
    branch.power_levels(users={BOB: 50, CHARLIE: 50}, **content)
    return branch


def change(branch: Branch, sender: str = BOB, /, **content: Any) -> Any:
    """Return an event that sets the levels of `governed` with these changes."""
    current = dict(branch.state["m.room.power_levels", ""].content)
    changed = {**current, **content}
    return branch.draft(
        sender,
        "m.room.power_levels",
        {name: value for name, value in changed.items() if value is not ...},
        "",
    )


def users(branch: Branch, **levels: int) -> dict[str, int]:
    """Return the users of the room with these changes, by localpart; 999 takes one out."""
    current = dict(branch.state["m.room.power_levels", ""].content["users"])
    by_name = {"alice": ALICE, "bob": BOB, "charlie": CHARLIE, "mallory": MALLORY}
    current.update({by_name[name]: level for name, level in levels.items()})
    return {user: level for user, level in current.items() if level != 999}


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_first_power_levels_may_be_anything_well_formed(version: str) -> None:
    branch = Branch.with_alice(version)

    high = 2**53 - 1
    check_auth(
        branch.draft(ALICE, "m.room.power_levels", {"users": {BOB: high}, "ban": high}, ""),
        branch.state,
    )
    check_auth(branch.draft(ALICE, "m.room.power_levels", {}, ""), branch.state)


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("value", ["ten", True, [], {}])
def test_a_level_that_is_none_is_refused(version: str, name: str, value: Any) -> None:
    branch = Branch.with_alice(version)

    refused(
        branch.draft(ALICE, "m.room.power_levels", {name: value}, ""),
        branch.state,
        "not an integer",
    )


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("name", SCALARS)
def test_null_is_a_level_left_out_up_to_version_9(version: str, name: str) -> None:
    branch = Branch.with_alice(version)
    event = branch.draft(ALICE, "m.room.power_levels", {name: None}, "")

    if version in versions(10):
        refused(event, branch.state, "not an integer")
    else:
        check_auth(event, branch.state)


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("name", [*SCALARS, *MAPS])
def test_strings_of_integers_are_taken_up_to_version_9(version: str, name: str) -> None:
    branch = Branch.with_alice(version)
    content: dict[str, Any] = {name: {BOB: "50"} if name in MAPS else "50"}
    event = branch.draft(ALICE, "m.room.power_levels", content, "")

    if version in versions(10):
        refused(event, branch.state, "not an integer")
    else:
        check_auth(event, branch.state)


@pytest.mark.parametrize("version", versions(1, 5))
def test_floats_are_taken_up_to_version_5(version: str) -> None:
    branch = Branch.with_alice(version)

    event = branch.draft(ALICE, "m.room.power_levels", {"users": {BOB: 50.57}, "ban": 1e3}, "")
    check_auth(event, branch.state)
    governing = governed(version)
    as_before = {ALICE: 100, BOB: 50, CHARLIE: 50}
    check_auth(change(governing, users={**as_before, CHARLIE: 50.57}), governing.state)
    check_auth(change(governing, users={**as_before, MALLORY: 50.57}), governing.state)
    above = change(governing, users={**as_before, MALLORY: 51.01})
    refused(above, governing.state, "above your level")


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("value", [None, [], 50, {BOB: "ten"}, {BOB: None}, {BOB: {}}, {BOB: True}])
def test_a_map_of_levels_holds_levels_only(version: str, name: str, value: Any) -> None:
    branch = Branch.with_alice(version)
    event = branch.draft(ALICE, "m.room.power_levels", {name: value}, "")

    if name == "notifications" and version in versions(1, 5):
        check_auth(event, branch.state)
    else:
        refused(event, branch.state, name)


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("user_id", ["", "bob", "bob:one.example", "@bob", "x" * 5000])
def test_users_are_user_ids(version: str, user_id: str) -> None:
    branch = Branch.with_alice(version)
    event = branch.draft(ALICE, "m.room.power_levels", {"users": {user_id: 0}}, "")

    refused(event, branch.state, "no user ID")


def test_version_12_refuses_levels_for_creators() -> None:
    branch = Branch.with_alice("12", additional_creators=[BOB])

    for user_id in (ALICE, BOB):
        event = branch.draft(ALICE, "m.room.power_levels", {"users": {user_id: 100}}, "")
        refused(event, branch.state, "is a creator")
    branch.power_levels(users={CHARLIE: 100})
    refused(change(branch, ALICE, users={BOB: 0}), branch.state, "is a creator")


def test_version_11_knows_no_additional_creators() -> None:
    branch = Branch.with_alice("11", additional_creators=[BOB])

    branch.power_levels(users={ALICE: 100, BOB: 100})


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_changing_power_levels_needs_their_level(version: str) -> None:
    branch = governed(version, events={"m.room.power_levels": 60})

    refused(change(branch, BOB, kick=10), branch.state, "required power level")
    check_auth(change(branch, ALICE, kick=10), branch.state)


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("name", SCALARS)
def test_nobody_sets_a_level_above_their_own(version: str, name: str) -> None:
    branch = governed(version)

    check_auth(change(branch, **{name: 50}), branch.state)
    check_auth(change(branch, **{name: -5}), branch.state)
    refused(change(branch, **{name: 51}), branch.state, "above your level 50")


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("name", [name for name in SCALARS if name != "state_default"])
def test_nobody_changes_a_level_above_their_own(version: str, name: str) -> None:
    branch = governed(version, **{name: 51})

    refused(change(branch, **{name: 50}), branch.state, "above your level 50")
    refused(change(branch, **{name: ...}), branch.state, "above your level 50")
    other = "kick" if name == "ban" else "ban"
    check_auth(change(branch, **{other: 40}), branch.state)


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("name", ["events", "notifications"])
def test_entries_above_ones_level_stay_as_they_are(version: str, name: str) -> None:
    branch = governed(version, **{name: {"m.x": 60, "m.y": 40}})
    allowed = [{"m.x": 60, "m.y": 50}, {"m.x": 60}, {"m.x": 60, "m.y": 40, "m.z": 50}]
    forbidden = [{"m.x": 50, "m.y": 40}, {"m.y": 40}, {}, {"m.x": 60, "m.y": 51}]
    forbidden.append({"m.x": 60, "m.y": 40, "m.z": 51})

    for levels in allowed:
        check_auth(change(branch, **{name: levels}), branch.state)
    for levels in forbidden:
        if name == "notifications" and version in versions(1, 5):
            check_auth(change(branch, **{name: levels}), branch.state)
        else:
            refused(change(branch, **{name: levels}), branch.state, "above your level 50")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_one_raises_others_up_to_ones_own_level(version: str) -> None:
    branch = governed(version)

    check_auth(change(branch, users=users(branch, mallory=50)), branch.state)
    refused(change(branch, users=users(branch, mallory=51)), branch.state, "above your level")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_one_lowers_only_those_below(version: str) -> None:
    branch = governed(version)

    for level in (40, 999):
        refused(change(branch, users=users(branch, charlie=level)), branch.state, "not below")
        check_auth(change(branch, ALICE, users=users(branch, charlie=level)), branch.state)
    branch.power_levels(users={BOB: 50, CHARLIE: 49})
    check_auth(change(branch, users=users(branch, charlie=999)), branch.state)


@pytest.mark.parametrize("version", versions(1, 11))
def test_nobody_lowers_a_creator_who_is_above(version: str) -> None:
    branch = governed(version)

    refused(change(branch, users=users(branch, alice=10)), branch.state, "not below")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_one_may_step_down_and_not_up(version: str) -> None:
    branch = governed(version)

    check_auth(change(branch, users=users(branch, bob=10)), branch.state)
    check_auth(change(branch, users=users(branch, bob=999)), branch.state)
    refused(change(branch, users=users(branch, bob=51)), branch.state, "above your level")


def test_a_creator_of_version_12_changes_anything() -> None:
    high = 2**53 - 1
    branch = Branch.with_alice("12", additional_creators=[BOB]).open_to(BOB)
    branch.power_levels(users={CHARLIE: high}, ban=high, events={"m.x": high})

    check_auth(change(branch, BOB, users={MALLORY: high}, ban=1, events={}), branch.state)


@pytest.mark.parametrize("version", versions(1, 9))
def test_the_same_level_written_differently_is_no_change(version: str) -> None:
    branch = governed(version, ban=90, events={"m.x": 90, "m.room.power_levels": 50})

    same = change(
        branch,
        ban="90",
        events={"m.x": " +090", "m.room.power_levels": "50"},
        users={ALICE: "100", BOB: "50", CHARLIE: "50"},
    )
    check_auth(same, branch.state)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_default_level_of_a_user_counts(version: str) -> None:
    branch = Branch.with_alice(version).open_to(BOB)
    branch.power_levels(users={}, users_default=50)

    check_auth(change(branch, kick=50), branch.state)
    refused(change(branch, kick=51), branch.state, "above your level 50")
