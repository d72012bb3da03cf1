"""The rules about create events, and about what binds other events to them."""

from typing import Any

import pytest

from matrix.auth_rules import check_auth
from matrix.events import Event
from matrix.identifiers import RoomID
from matrix.room_versions import ROOM_VERSIONS
from matrix.state_keys import CREATE
from tests.unit.matrix.rooms import (
    ALICE,
    ALL_VERSIONS,
    BOB,
    CHARLIE,
    Branch,
    Room,
    refused,
    versions,
)


def create_event(version: str, content: dict[str, Any], room_id: str | None = None) -> Event:
    room = Room(version)
    room.room_id = None if room_id is None else RoomID(room_id)
    if version != "12" and room_id is None:
        room.room_id = RoomID("!room:one.example")
    return room.build("m.room.create", ALICE, content, state_key="")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_create_event_needs_no_state(version: str) -> None:
    check_auth(Room(version).create, {})
    check_auth(Room(version).create, lambda _key: None)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_create_event_with_prev_events_is_refused(version: str) -> None:
    room = Room(version)
    room_id = None if version == "12" else room.room_id
    room.room_id = room_id

    second = room.build(
        "m.room.create", ALICE, {"creator": ALICE}, state_key="", prev=[room.create]
    )

    refused(second, {}, "prev_events")


@pytest.mark.parametrize("version", versions(1, 11))
def test_up_to_version_11_the_room_id_is_of_the_senders_server(version: str) -> None:
    check_auth(create_event(version, {"creator": ALICE}, "!r:one.example"), {})
    refused(create_event(version, {"creator": ALICE}, "!r:two.example"), {}, "sender's server")
    refused(create_event(version, {"creator": ALICE}, "!r"), {}, "sender's server")


def test_in_version_12_a_create_event_with_a_room_id_is_refused() -> None:
    refused(create_event("12", {}, "!r:one.example"), {}, "may not carry a room_id")


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("named", ["0", "org.example.unknown", "", 1, None, ["1"]])
def test_an_unknown_room_version_is_refused(version: str, named: Any) -> None:
    refused(create_event(version, {"creator": ALICE, "room_version": named}), {}, "room version")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_room_version_may_be_left_out(version: str) -> None:
    check_auth(create_event(version, {"creator": ALICE}), {})


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_up_to_version_10_the_creator_has_to_be_named(version: str) -> None:
    create = create_event(version, {})

    if version in versions(11):
        check_auth(create, {})
    else:
        refused(create, {}, "creator is missing")


@pytest.mark.parametrize(
    "additional",
    [None, BOB, 17, {BOB: BOB}, [17], [BOB, None], ["bob"], ["@bob"], ["@" + "b" * 999]],
)
def test_version_12_refuses_additional_creators_that_are_no_user_ids(additional: Any) -> None:
    refused(create_event("12", {"additional_creators": additional}), {}, "additional_creators")
    check_auth(create_event("11", {"additional_creators": additional}), {})


@pytest.mark.parametrize("additional", [[], [BOB], [BOB, CHARLIE]])
def test_version_12_takes_additional_creators(additional: list[str]) -> None:
    check_auth(create_event("12", {"additional_creators": additional}), {})


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_without_a_create_event_nothing_is_allowed(version: str) -> None:
    branch = Branch.with_alice(version)
    message = branch.draft(ALICE, "m.room.message", {})
    del branch.state[CREATE]

    refused(message, branch.state, "no create event")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_create_event_has_to_be_that_of_the_room(version: str) -> None:
    branch = Branch.with_alice(version)
    message = branch.draft(ALICE, "m.room.message", {})
    elsewhere = create_event(
        version, {"creator": ALICE, "n": 1}, None if version == "12" else "!other:one.example"
    )

    check_auth(message, branch.state)
    refused(message, {**branch.state, CREATE: elsewhere}, "room_id")


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_room_kept_to_its_server_refuses_the_users_of_others(version: str) -> None:
    closed = Branch.with_alice(version, **{"m.federate": False}).open_to(BOB)
    open_ = Branch.with_alice(version, **{"m.federate": True}).open_to(BOB)

    open_.join(CHARLIE)
    refused(closed.draft_member(CHARLIE, CHARLIE, "join"), closed.state, "m.federate")
    closed.send(BOB, "m.room.message", {})


@pytest.mark.parametrize("version", versions(1, 5))
def test_up_to_version_5_servers_list_their_own_aliases(version: str) -> None:
    branch = Branch.with_alice(version)

    branch.send(CHARLIE, "m.room.aliases", {}, "two.example")
    refused(branch.draft(CHARLIE, "m.room.aliases", {}, "one.example"), branch.state, "server")
    refused(branch.draft(CHARLIE, "m.room.aliases", {}), branch.state, "state_key is missing")


@pytest.mark.parametrize("version", versions(6))
def test_from_version_6_on_aliases_are_ordinary_state(version: str) -> None:
    branch = Branch.with_alice(version)

    branch.send(ALICE, "m.room.aliases", {}, "two.example")
    refused(branch.draft(CHARLIE, "m.room.aliases", {}, "two.example"), branch.state, "not in")


def test_each_version_knows_all_others_by_name() -> None:
    for named in ROOM_VERSIONS:
        check_auth(create_event("11", {"room_version": named}), {})
