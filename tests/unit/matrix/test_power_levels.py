"""Power levels as they are read from content."""

import math
from typing import Any

import pytest

from matrix.power_levels import INFINITE, PowerLevels, creators_of, power_levels_of, read_level
from matrix.room_versions import ROOM_VERSIONS
from matrix.state_keys import POWER_LEVELS
from tests.unit.matrix.rooms import ALICE, ALL_VERSIONS, BOB, CHARLIE, Branch, versions

NOBODY: frozenset[Any] = frozenset()


def levels(version: str, content: Any, creators: frozenset[Any] = NOBODY) -> PowerLevels:
    return PowerLevels.of(content, ROOM_VERSIONS[version], creators)


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("content", [None, {}])
def test_silence_means_the_defaults(version: str, content: Any) -> None:
    silent = levels(version, content)

    assert (silent.ban, silent.kick, silent.redact, silent.invite) == (50, 50, 50, 0)
    assert silent.event("m.room.message", is_state=False) == 0
    assert silent.event("m.room.topic", is_state=True) == 50
    assert silent.user(BOB) == 0
    assert silent.notification("room") == 50


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_what_the_event_says_goes_before_the_defaults(version: str) -> None:
    said = levels(
        version,
        {
            "ban": 1,
            "kick": 2,
            "redact": 3,
            "invite": 4,
            "state_default": 5,
            "events_default": 6,
            "users_default": 7,
            "events": {"m.room.topic": 8},
            "users": {BOB: 9},
            "notifications": {"room": 10},
        },
    )

    assert (said.ban, said.kick, said.redact, said.invite) == (1, 2, 3, 4)
    assert said.event("m.room.name", is_state=True) == 5
    assert said.event("m.room.message", is_state=False) == 6
    assert said.user(CHARLIE) == 7
    assert said.event("m.room.topic", is_state=True) == 8
    assert said.user(BOB) == 9
    assert said.notification("room") == 10


@pytest.mark.parametrize("version", versions(1, 9))
@pytest.mark.parametrize(
    ("value", "level"),
    [
        (50, 50),
        ("100", 100),
        ("000100", 100),
        ("+100", 100),
        ("-100", -100),
        (" 100 ", 100),
        ("\t -00100\n", -100),
    ],
)
def test_up_to_version_9_strings_of_integers_are_levels(
    version: str, value: Any, level: int
) -> None:
    assert read_level(value, ROOM_VERSIONS[version]) == level
    assert levels(version, {"users": {BOB: value}, "ban": value}).user(BOB) == level
    assert levels(version, {"ban": value}).ban == level


@pytest.mark.parametrize("version", versions(10))
@pytest.mark.parametrize("value", ["100", 50.0, 50.9, True, None, [], {}])
def test_from_version_10_on_only_integers_are_levels(version: str, value: Any) -> None:
    assert read_level(value, ROOM_VERSIONS[version]) is None
    assert read_level(100, ROOM_VERSIONS[version]) == 100


@pytest.mark.parametrize(
    "value",
    ["", " ", "ten", "1_000", "1.5", "1e3", "--1", "+ 1", "٣", "9" * 5000, True, None, [], {}],
)
@pytest.mark.parametrize("version", versions(1, 9))
def test_anything_else_is_no_level(version: str, value: Any) -> None:
    assert read_level(value, ROOM_VERSIONS[version]) is None
    assert levels(version, {"ban": value, "users": {BOB: value}}).ban == 50


@pytest.mark.parametrize("version", versions(1, 5))
def test_up_to_version_5_floats_are_cut_off(version: str) -> None:
    room_version = ROOM_VERSIONS[version]

    assert read_level(50.57, room_version) == 50
    assert read_level(-50.57, room_version) == -50
    assert read_level(5.114698e4, room_version) == 51146
    assert read_level(math.nan, room_version) is None
    assert read_level(-math.inf, room_version) is None


@pytest.mark.parametrize("version", versions(6, 9))
def test_canonical_json_knows_no_floats(version: str) -> None:
    assert read_level(50.0, ROOM_VERSIONS[version]) is None


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_values_of_the_wrong_shape_count_as_absent(version: str) -> None:
    odd = levels(version, {"users": [], "events": "x", "notifications": None, "kick": {}})

    assert odd.user(BOB) == 0
    assert odd.event("m.room.topic", is_state=True) == 50
    assert odd.notification("room") == 50
    assert odd.kick == 50


@pytest.mark.parametrize("version", versions(1, 11))
def test_before_version_12_the_creator_has_100_until_there_are_power_levels(version: str) -> None:
    branch = Branch.with_alice(version)

    assert power_levels_of(None, branch.room.create).user(ALICE) == 100
    assert power_levels_of(None, branch.room.create).user(BOB) == 0
    event = branch.draft(ALICE, "m.room.power_levels", {}, "")
    assert power_levels_of(event, branch.room.create).user(ALICE) == 0


def test_in_version_12_creators_stand_above_all_levels() -> None:
    branch = Branch.with_alice("12", additional_creators=[BOB])

    for event in (None, branch.power_levels(users={CHARLIE: 2**53 - 1})):
        held = power_levels_of(event, branch.room.create)
        assert held.user(ALICE) == held.user(BOB) == INFINITE
        assert held.user(CHARLIE) < INFINITE


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_creators_are_told_by_the_create_event(version: str) -> None:
    create = Branch.new(version, additional_creators=[BOB]).room.create

    assert creators_of(create) == ({ALICE, BOB} if version == "12" else {ALICE})


@pytest.mark.parametrize("version", versions(1, 10))
def test_up_to_version_10_the_content_names_the_creator(version: str) -> None:
    assert creators_of(Branch.new(version, creator=BOB).room.create) == {BOB}
    assert creators_of(Branch.new(version, creator=17).room.create) == frozenset()


@pytest.mark.parametrize("additional", [17, None, BOB, {BOB: 1}, [17, None]])
def test_malformed_additional_creators_are_none(additional: Any) -> None:
    create = Branch.new("12", additional_creators=additional).room.create

    assert creators_of(create) == {ALICE}


def test_levels_are_parsed_once_for_each_event() -> None:
    branch = Branch.with_alice("11")
    event = branch.power_levels(users={BOB: 50})

    first = power_levels_of(branch.state[POWER_LEVELS], branch.room.create)

    assert power_levels_of(event, branch.room.create) is first
