"""Ignored and erased users, and what ends the long polls of those who may not read any more."""

import asyncio
from typing import Any

import pytest

from logs.records.client_data import AccountStatusChanged, TokensRevoked
from logs.records.room_output import InviteReceived
from matrix.errors import MatrixError, UnknownToken, UserLocked
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, bodies

_LIST = "m.ignored_user_list"
_ERASED = AccountStatusChanged(
    ALICE, is_deactivated=True, is_erased=True, is_locked=False, is_suspended=False
)
_LOCKED = AccountStatusChanged(
    BOB, is_deactivated=False, is_erased=False, is_locked=True, is_suspended=False
)


def timeline(answer: dict[str, Any], room: Room) -> list[str]:
    part = answer["rooms"].get("join", {}).get(room.room_id)
    return [] if part is None else bodies(part["timeline"]["events"])


async def ignore(house: House, user_id: str, *ignored: str) -> None:
    await house.put_account_data(user_id, _LIST, {"ignored_users": {one: {} for one in ignored}})
    await house.projected()


async def test_messages_of_ignored_users_are_left_out_of_sync_from_then_on(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB, CHARLIE))
    since = (await house.sync(BOB))["next_batch"]
    await ignore(house, BOB, ALICE)
    await house.put(
        room.message("from alice"),
        room.state_event("m.room.topic", {"topic": "hers"}),
        room.message("from charlie", sender=CHARLIE),
    )

    first = await house.sync(BOB, since)
    assert timeline(first, room) == ["m.room.topic", "from charlie"]
    assert timeline(await house.sync(CHARLIE), room)[-3:] == [
        "from alice",
        "m.room.topic",
        "from charlie",
    ]

    await ignore(house, BOB)
    await house.put(room.message("again"))
    assert timeline(await house.sync(BOB, first["next_batch"]), room) == ["again"]
    assert timeline(await house.sync(BOB), room)[-4:] == [
        "from alice",
        "m.room.topic",
        "from charlie",
        "again",
    ]


async def test_an_ignored_user_wakes_nobody(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB, CHARLIE))
    await ignore(house, BOB, ALICE)
    since = (await house.sync(BOB))["next_batch"]

    waiting = asyncio.create_task(house.sync(BOB, since, timeout=30_000))
    await house.until_waiting(BOB)
    await house.put(room.message("unheard"))
    await house.projected()
    await house.until_waiting(BOB)
    await house.put(room.message("heard", sender=CHARLIE))

    assert timeline(await waiting, room) == ["heard"]


async def test_pages_and_context_leave_ignored_users_out(house: House) -> None:
    room = Room()
    hidden = room.message("from alice")
    middle = room.message("from bob", sender=BOB)
    await house.put(*room.created(BOB), hidden, middle, room.message("more"))
    await ignore(house, BOB, ALICE)

    page = (await house.room(BOB, room, "messages", dir="b")).json
    assert bodies(page["chunk"])[0] == "from bob"
    assert "from alice" not in bodies(page["chunk"])
    assert any(event["sender"] == ALICE for event in page["chunk"])
    context = (await house.room(BOB, room, f"context/{middle.event_id}")).json
    assert context["events_after"] == []
    assert "from alice" not in bodies(context["events_before"])
    assert (await house.room(BOB, room, f"event/{hidden.event_id}")).status == 404


async def test_invites_of_ignored_users_are_not_shown(house: House) -> None:
    room, afar = Room(), Room("afar")
    await house.put(*room.created())
    await ignore(house, BOB, ALICE)
    since = (await house.sync(BOB))["next_batch"]
    invite = afar.build("m.room.member", {"membership": "invite"}, state_key=BOB)
    await house.put(
        room.member(BOB, "invite", by=ALICE),
        InviteReceived(afar.room_id, invite.event_id, "11", invite.raw, BOB, []),
    )

    assert (await house.sync(BOB, since))["rooms"] == {}
    assert (await house.sync(BOB))["rooms"] == {}
    await ignore(house, BOB, CHARLIE)
    assert set((await house.sync(BOB))["rooms"]["invite"]) == {room.room_id, afar.room_id}


@pytest.mark.parametrize(
    "content", [{}, {"ignored_users": []}, {"ignored_users": {BOB: {}}}, {"ignored_users": {"": 1}}]
)
async def test_a_list_that_ignores_nobody_hides_nothing(
    house: House, content: dict[str, Any]
) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("mine", sender=BOB), room.message("hers"))
    await house.put_account_data(BOB, _LIST, content)
    await house.projected()

    assert timeline(await house.sync(BOB), room)[-2:] == ["mine", "hers"]


async def test_who_comes_after_an_erasure_sees_redacted_copies(house: House) -> None:
    room = Room()
    sent = room.message("secret")
    await house.put(*room.created(BOB), sent)
    await house.projected()
    await house.put_client_data(_ERASED)
    await house.projected()
    await house.put(room.member(CHARLIE, "join"), room.message("later", sender=BOB))

    there = await house.sync(BOB)
    assert timeline(there, room)[-3:] == ["secret", "m.room.member", "later"]
    for events in (
        (await house.sync(CHARLIE))["rooms"]["join"][room.room_id]["timeline"]["events"],
        (await house.room(CHARLIE, room, "messages", dir="f")).json["chunk"],
        (await house.room(CHARLIE, room, f"context/{sent.event_id}")).json["events_before"]
        + [(await house.room(CHARLIE, room, f"event/{sent.event_id}")).json],
    ):
        contents = {event["event_id"]: event["content"] for event in events}
        assert contents.get(sent.event_id, {}) == {}
        assert "secret" not in str(events)


async def test_who_saw_an_event_before_the_erasure_sees_it_still(house: House) -> None:
    room = Room()
    sent = room.message("seen")
    await house.put(*room.created(), sent, room.member(CHARLIE, "join"))
    await house.projected()
    await house.put_client_data(_ERASED)
    await house.projected()
    await house.put(room.member(CHARLIE, "leave"), room.member(CHARLIE, "join"))

    read = (await house.room(CHARLIE, room, f"event/{sent.event_id}")).json
    assert read["content"]["body"] == "seen"


async def test_strangers_see_what_erased_users_wrote_redacted(house: House) -> None:
    room = Room()
    await house.put(*room.created(visibility="world_readable"), room.message("public"))
    await house.projected()
    assert "public" in bodies((await house.room(BOB, room, "messages", dir="b")).json["chunk"])

    await house.put_client_data(_ERASED)
    await house.projected()
    page = (await house.room(BOB, room, "messages", dir="b")).json["chunk"]
    assert [event["content"] for event in page if event["type"] == "m.room.message"] == [{}]

    await house.put_client_data(AccountStatusChanged(ALICE, *[False] * 4))
    await house.projected()
    assert "public" in bodies((await house.room(BOB, room, "messages", dir="b")).json["chunk"])


async def test_what_replaced_an_event_of_an_erased_user_shows_it_redacted_to_strangers(
    house: House,
) -> None:
    room = Room()
    await house.put(
        *room.created(BOB, visibility="world_readable"),
        room.state_event("m.room.topic", {"topic": "hers"}),
        room.state_event("m.room.topic", {"topic": "his"}, sender=BOB),
    )
    await house.projected()
    await house.put_client_data(_ERASED)
    await house.projected()

    shown = {}
    for user_id in (BOB, CHARLIE):
        page = (await house.room(user_id, room, "messages", dir="b")).json["chunk"]
        [his] = [event for event in page if event["content"].get("topic") == "his"]
        shown[user_id] = his["unsigned"]["prev_content"]

    assert shown == {BOB: {"topic": "hers"}, CHARLIE: {}}


async def test_the_state_of_a_room_tells_nothing_of_what_it_replaced_to_who_came_later(
    house: House,
) -> None:
    room = Room()
    await house.put(
        *room.created(BOB),
        room.member(ALICE, "join", displayname="Alice"),
        room.member(ALICE, "leave"),
        room.member(CHARLIE, "join"),
    )
    await house.projected()

    told = {
        user_id: [
            event.get("unsigned", {}).get("prev_content", {}).get("displayname")
            for event in (await house.room(user_id, room, "members")).json["chunk"]
            if event["state_key"] == ALICE
        ]
        for user_id in (BOB, CHARLIE)
    }

    assert told == {BOB: ["Alice"], CHARLIE: [None]}


async def test_account_data_go_with_their_account(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    ended = AccountStatusChanged(
        BOB, is_deactivated=True, is_erased=False, is_locked=False, is_suspended=False
    )
    for user_id in (ALICE, BOB):
        await house.put_account_data(user_id, "com.example.kept", {"secret": user_id})
    await house.put_client_data(ended)
    await house.projected()

    found = {}
    for user_id in (ALICE, BOB):
        events = (await house.sync(user_id))["account_data"]["events"]
        found[user_id] = [one["content"] for one in events if one["type"] == "com.example.kept"]

    assert found == {ALICE: [{"secret": ALICE}], BOB: []}


@pytest.mark.parametrize(
    ("error", "record"),
    [
        (UnknownToken("gone"), TokensRevoked(BOB, "PHONE")),
        (UserLocked("locked"), _LOCKED),
    ],
)
async def test_a_long_poll_ends_with_its_access_token(
    house: House, error: MatrixError, record: TokensRevoked | AccountStatusChanged
) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    ends = asyncio.create_task(house.get(BOB, "sync", since=since, timeout=60_000))
    stays = asyncio.create_task(house.sync(f"{BOB}/LAPTOP", since, timeout=60_000))
    await house.until_waiting(BOB)

    house.accounts.refused[BOB] = error
    await house.put_client_data(record)
    answer = await ends

    assert answer.status == 401
    assert answer.errcode == error.errcode
    assert not stays.done()
    await house.put(room.message("for the other device"))
    assert timeline(await stays, room) == ["for the other device"]
