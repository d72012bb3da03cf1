"""Guests: into which rooms they come, and how they are let out when a room is closed to them."""

from pathlib import Path
from urllib.parse import quote

import pytest

from matrix.identifiers import RoomID
from tests.component.clientapi.clientapi_server import House, User, running_house, with_settings

GUESTS_ALLOWED = {"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}


@pytest.fixture(name="guest")
async def fixture_guest(house: House) -> User:
    return await house.guest()


@pytest.fixture(name="open_room")
async def fixture_open_room(alice: User, bob: User, guest: User) -> str:
    """A public room of alice's that is open to guests, with bob and a guest in it."""
    room_id = await alice.create_room(preset="public_chat", initial_state=[GUESTS_ALLOWED])
    for user in (bob, guest):
        answer = await user.join(room_id)
        assert answer.status == 200, answer
    return room_id


async def test_a_guest_joins_only_where_guests_can(alice: User, guest: User) -> None:
    closed = await alice.create_room(preset="public_chat")
    invited = await alice.create_room(
        preset="public_chat", invite=[guest.user_id], initial_state=[]
    )

    for room_id in (closed, invited):
        for answer in (await guest.join(room_id), await guest.post(f"/join/{quote(room_id)}")):
            assert (answer.status, answer.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")


@pytest.mark.parametrize("content", [{"guest_access": "forbidden"}, {"guest_access": 1}, {}])
async def test_guests_leave_a_room_that_is_closed_to_them(
    house: House, alice: User, guest: User, open_room: str, content: dict[str, str]
) -> None:
    answer = await alice.set_state(open_room, "m.room.guest_access", content)

    assert answer.status == 200
    assert await house.membership(open_room, guest) == "leave"
    assert (await house.state(open_room))["m.room.member", guest.user_id].sender == guest.user_id
    joined = await house.rooms.queries.query_members(room_id=RoomID(open_room), membership="join")
    assert joined == ["@alice:xylem.test", "@bob:xylem.test"]


async def test_guests_stay_where_they_can_join_still(
    house: House, alice: User, guest: User, open_room: str
) -> None:
    content = {"guest_access": "can_join", "reason": "again"}
    answer = await alice.set_state(open_room, "m.room.guest_access", content)

    assert answer.status == 200
    assert await house.membership(open_room, guest) == "join"


async def test_guests_leave_when_what_let_them_in_is_redacted(
    house: House, alice: User, guest: User, open_room: str
) -> None:
    event = (await house.state(open_room))["m.room.guest_access", ""]

    answer = await alice.redact(open_room, event.event_id)

    assert answer.status == 200
    assert await house.membership(open_room, guest) == "leave"


async def test_a_request_that_is_repeated_removes_those_who_were_left(
    house: House, alice: User, open_room: str
) -> None:
    await alice.set_state(open_room, "m.room.guest_access", {"guest_access": "forbidden"})
    before = len(await house.history(open_room))

    again = await alice.set_state(open_room, "m.room.guest_access", {"guest_access": "forbidden"})

    assert again.status == 200
    assert len(await house.history(open_room)) == before


async def test_many_guests_leave(tmp_path: Path) -> None:
    async with running_house(tmp_path, with_settings(guests_removed_at_once=3)) as house:
        alice = await house.user("alice")
        room_id = await alice.create_room(preset="public_chat", initial_state=[GUESTS_ALLOWED])
        guests = [await house.guest() for _ in range(8)]
        for guest in guests:
            await guest.join(room_id)

        await alice.set_state(room_id, "m.room.guest_access", {"guest_access": "forbidden"})

        for guest in guests:
            assert await house.membership(room_id, guest) == "leave"


async def test_guests_are_kept_to_their_endpoints(alice: User, guest: User, open_room: str) -> None:
    room = f"/rooms/{quote(open_room)}"
    refused = [
        await guest.post("/createRoom"),
        await guest.post(f"/knock/{quote(open_room)}"),
        await guest.post(f"{room}/invite", {"user_id": alice.user_id}),
        await guest.post(f"{room}/kick", {"user_id": alice.user_id}),
        await guest.post(f"{room}/ban", {"user_id": alice.user_id}),
        await guest.post(f"{room}/unban", {"user_id": alice.user_id}),
        await guest.post(f"{room}/forget"),
        await guest.post(f"{room}/upgrade", {"new_version": "12"}),
        await guest.put(f"{room}/typing/{quote(guest.user_id)}", {"typing": False}),
        await guest.post(f"{room}/receipt/m.read/$event"),
        await guest.post(f"{room}/read_markers"),
        await guest.redact(open_room, "$event"),
        await guest.get(f"{room}/aliases"),
        await guest.post("/publicRooms"),
        await guest.put(f"/directory/room/{quote('#a:xylem.test', safe='')}", {"room_id": "!a"}),
        await guest.put(f"/profile/{quote(guest.user_id)}/avatar_url", {"avatar_url": ""}),
        await guest.client.get(f"/_matrix/client/v1/mutual_rooms?user_id={alice.user_id}"),
    ]
    for answer in refused:
        assert (answer.status, answer.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN"), answer

    allowed = [
        await guest.post(f"/join/{quote(open_room)}"),
        await guest.send(open_room),
        await guest.send(open_room, {"x": 1}, kind="test.anything"),
        await guest.put(f"/profile/{quote(guest.user_id)}/displayname", {"displayname": "G"}),
        await guest.in_room("leave", open_room),
    ]
    for answer in allowed:
        assert answer.status == 200, answer
