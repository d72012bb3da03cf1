"""The rooms that one shares with another user."""

from pathlib import Path
from urllib.parse import quote

from base.http.testing import Answer
from tests.component.clientapi.clientapi_server import House, User, running_house, with_settings


async def shared(user: User, other: str | None, token: str | None = None) -> Answer:
    """Ask for the rooms that two users share."""
    query = "" if other is None else f"user_id={quote(other)}"
    if token is not None:
        query += f"&from={token}"
    return await user.client.get(f"/_matrix/client/v1/mutual_rooms?{query}")


async def test_only_rooms_that_both_are_in_are_shared(
    alice: User, bob: User, charlie: User, room_id: str
) -> None:
    await alice.create_room()
    await alice.create_room(invite=[bob.user_id])
    left = await alice.create_room(preset="public_chat")
    await bob.join(left)
    await bob.in_room("leave", left)

    for one, other in ((alice, bob), (bob, alice)):
        answer = await shared(one, other.user_id)
        assert (answer.status, answer.json) == (200, {"joined": [room_id], "count": 1})
    assert (await shared(alice, charlie.user_id)).json == {"joined": [], "count": 0}


async def test_nothing_is_shared_with_who_is_not_known(alice: User, room_id: str) -> None:
    for user_id in ("@nobody:xylem.test", "@somebody:elsewhere.test"):
        assert (await shared(alice, user_id)).json == {"joined": [], "count": 0}
    assert room_id


async def test_a_question_about_oneself_or_nobody_is_refused(alice: User) -> None:
    for user_id, errcode in (
        (alice.user_id, "M_INVALID_PARAM"),
        ("alice", "M_INVALID_PARAM"),
        ("@alice", "M_INVALID_PARAM"),
        (None, "M_MISSING_PARAM"),
    ):
        answer = await shared(alice, user_id)
        assert (answer.status, answer.errcode) == (400, errcode)


async def test_pages_follow_each_other(tmp_path: Path) -> None:
    async with running_house(tmp_path, with_settings(max_mutual_rooms_page=2)) as house:
        alice, bob, charlie = [await house.user(name) for name in ("alice", "bob", "charlie")]
        rooms = [await in_room_with(alice, bob) for _ in range(5)]

        pages = [(await shared(alice, bob.user_id)).json]
        while (token := pages[-1].get("next_batch")) is not None:
            pages.append((await shared(alice, bob.user_id, token)).json)

        assert [len(page["joined"]) for page in pages] == [2, 2, 1]
        assert [page["count"] for page in pages] == [5, 5, 5]
        assert sorted(one for page in pages for one in page["joined"]) == sorted(rooms)
        token = pages[0]["next_batch"]
        for other, text in ((charlie.user_id, token), (bob.user_id, "x"), (bob.user_id, "")):
            answer = await shared(alice, other, text)
            assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


async def test_the_former_path_has_pages_by_their_former_names(tmp_path: Path) -> None:
    async with running_house(tmp_path, with_settings(max_mutual_rooms_page=2)) as house:
        alice, bob = await house.user("alice"), await house.user("bob")
        rooms = [await in_room_with(alice, bob) for _ in range(3)]
        path = "/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms"
        first = (await alice.client.get(f"{path}?user_id={bob.user_id}")).json

        token = first["next_batch_token"]
        second = await alice.client.get(f"{path}?user_id={bob.user_id}&batch_token={token}")

        assert sorted(first["joined"] + second.json["joined"]) == sorted(rooms)
        assert "next_batch_token" not in second.json


async def in_room_with(alice: User, bob: User) -> str:
    """Return a new room with both in it."""
    room_id = await alice.create_room(invite=[bob.user_id])
    await bob.join(room_id)
    return room_id


async def test_who_is_not_known_learns_nothing(house: House, alice: User) -> None:
    answer = await house.client.get(f"/_matrix/client/v1/mutual_rooms?user_id={alice.user_id}")

    assert (answer.status, answer.errcode) == (401, "M_MISSING_TOKEN")
