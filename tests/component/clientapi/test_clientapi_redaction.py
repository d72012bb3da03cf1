"""Redactions, in room versions that hold them at different places."""

import asyncio
from urllib.parse import quote

import pytest

from matrix.events import redacts_of
from tests.component.clientapi.clientapi_server import House, User

VERSIONS = ["1", "3", "10", "11", "12"]


async def room_of_two(alice: User, bob: User, version: str) -> str:
    """Make a room of alice's with bob in it."""
    room_id = await alice.create_room(preset="public_chat", room_version=version)
    assert (await bob.join(room_id)).status == 200
    return room_id


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_user_redacts_what_they_sent(
    house: House, alice: User, bob: User, version: str
) -> None:
    room_id = await room_of_two(alice, bob, version)
    sent = (await bob.send(room_id)).json["event_id"]

    answer = await bob.redact(room_id, sent, reason="typo")

    assert answer.status == 200, answer
    assert (await house.event(sent)).content == {}
    redaction = await house.event(answer.json["event_id"])
    assert redacts_of(redaction) == sent
    assert redaction.content["reason"] == "typo"
    assert ("redacts" in redaction.pdu) == (int(version) < 11)
    assert ("redacts" in redaction.content) == (int(version) >= 11)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_redaction_is_sent_as_an_event_in_every_version(
    house: House, alice: User, bob: User, version: str
) -> None:
    room_id = await room_of_two(alice, bob, version)
    sent = (await bob.send(room_id)).json["event_id"]

    answer = await alice.send(room_id, {"redacts": sent, "reason": "rude"}, kind="m.room.redaction")

    assert answer.status == 200, answer
    assert (await house.event(sent)).content == {}
    redaction = await house.event(answer.json["event_id"])
    assert redacts_of(redaction) == sent
    assert ("redacts" in redaction.pdu) == (int(version) < 11)
    assert ("redacts" in redaction.content) == (int(version) >= 11)


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_others_sent_is_redacted_by_level_only(
    house: House, alice: User, bob: User, version: str
) -> None:
    room_id = await room_of_two(alice, bob, version)
    sent = (await alice.send(room_id)).json["event_id"]

    by_endpoint = await bob.redact(room_id, sent)
    by_event = await bob.send(room_id, {"redacts": sent}, kind="m.room.redaction")

    assert (by_endpoint.status, by_endpoint.errcode) == (403, "M_FORBIDDEN")
    assert (by_event.status, by_event.errcode) == (403, "M_FORBIDDEN")
    assert (await house.event(sent)).content != {}


async def test_an_administrator_redacts_what_local_users_sent(
    house: House, alice: User, room_id: str
) -> None:
    admin = await house.user("admin", is_admin=True)
    await admin.join(room_id)
    sent = (await alice.send(room_id)).json["event_id"]

    answer = await admin.redact(room_id, sent)

    assert answer.status == 200
    assert (await house.event(sent)).content == {}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_redaction_is_not_set_as_state(
    house: House, alice: User, bob: User, version: str
) -> None:
    levels = {"redact": 100, "state_default": 0}
    room_id = await alice.create_room(
        preset="public_chat", room_version=version, power_level_content_override=levels
    )
    await bob.join(room_id)
    sent = (await alice.send(room_id)).json["event_id"]

    answers = [
        await one.set_state(room_id, "m.room.redaction", {"redacts": sent}, state_key)
        for one in (alice, bob)
        for state_key in ("", "key")
    ]

    assert [(one.status, one.errcode) for one in answers] == [(403, "M_FORBIDDEN")] * 4
    assert (await house.event(sent)).content != {}


async def test_a_redaction_is_repeated_without_a_second_event(alice: User, room_id: str) -> None:
    sent = (await alice.send(room_id)).json["event_id"]
    path = f"/rooms/{quote(room_id)}/redact/{quote(sent)}/same"

    first, second = await asyncio.gather(alice.put(path, {}), alice.put(path, {}))
    third = await alice.put(path, {})

    assert first.status == 200
    assert first.json == second.json == third.json


async def test_a_redaction_needs_no_body(house: House, alice: User, room_id: str) -> None:
    sent = (await alice.send(room_id)).json["event_id"]
    path = f"/_matrix/client/r0/rooms/{quote(room_id)}/redact/{quote(sent)}/t1"

    answer = await alice.client.put(path)

    assert answer.status == 200
    assert (await house.event(sent)).content == {}


async def test_state_keeps_what_the_rules_need_when_it_is_redacted(
    house: House, alice: User, room_id: str
) -> None:
    named = (await alice.set_state(room_id, "m.room.name", {"name": "Pub"})).json["event_id"]
    rules = (await house.state(room_id))["m.room.join_rules", ""].event_id

    await alice.redact(room_id, named)
    await alice.redact(room_id, rules)

    assert await house.content(room_id, "m.room.name") == {}
    assert await house.content(room_id, "m.room.join_rules") == {"join_rule": "public"}


async def test_what_is_not_in_the_room_cannot_be_redacted(
    house: House, alice: User, charlie: User, room_id: str
) -> None:
    other_room = await alice.create_room()
    elsewhere = (await alice.send(other_room)).json["event_id"]
    here = (await alice.send(room_id)).json["event_id"]
    create = (await house.state(room_id))["m.room.create", ""].event_id
    servers = (await alice.set_state(room_id, "m.room.server_acl", {"allow": ["*"]})).json

    unknown = await alice.redact(room_id, "$nothing")
    of_other_room = await alice.redact(room_id, elsewhere)
    outside = await charlie.redact(room_id, here)
    beginning = await alice.redact(room_id, create)
    server_list = await alice.redact(room_id, servers["event_id"])
    malformed = await alice.redact(room_id, "nothing")
    nameless = await alice.send(room_id, {}, kind="m.room.redaction")
    number = await alice.send(room_id, {"redacts": 5}, kind="m.room.redaction")
    reason = await alice.redact(room_id, here, reason=5)

    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")
    assert (of_other_room.status, of_other_room.errcode) == (404, "M_NOT_FOUND")
    assert (outside.status, outside.errcode) == (403, "M_FORBIDDEN")
    assert (beginning.status, beginning.errcode) == (403, "M_FORBIDDEN")
    assert (server_list.status, server_list.errcode) == (403, "M_FORBIDDEN")
    assert (malformed.status, malformed.errcode) == (400, "M_INVALID_PARAM")
    assert (nameless.status, nameless.errcode) == (400, "M_INVALID_PARAM")
    assert (number.status, number.errcode) == (400, "M_INVALID_PARAM")
    assert (reason.status, reason.errcode) == (400, "M_BAD_JSON")


async def test_who_redacts_only_their_own_learns_nothing_of_other_events(
    alice: User, bob: User, room_id: str
) -> None:
    sent = (await alice.send(room_id)).json["event_id"]

    there, unknown = await bob.redact(room_id, sent), await bob.redact(room_id, "$nothing")

    assert (there.status, there.json) == (unknown.status, unknown.json)
