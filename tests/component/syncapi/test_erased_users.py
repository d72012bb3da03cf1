"""No read tells those who came after an erasure what the erased user had set or written."""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import pytest

from logs.records.client_data import AccountStatusChanged
from tests.component.syncapi.relating import child
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room

_ERASED: Final = AccountStatusChanged(
    ALICE, is_deactivated=True, is_erased=True, is_locked=False, is_suspended=False
)
_NAME, _PICTURE, _TEXT = "Alice Liddell", "mxc://example.org/alice", "through the looking-glass"
_SECRETS: Final = {_NAME, _PICTURE, _TEXT}


def secrets_in(answer: object) -> set[str]:
    return {one for one in _SECRETS if one in str(answer)}


class Story:
    """A room of alice's, who is erased, with bob, who was there, and charlie, who came later."""

    def __init__(self) -> None:
        self.room = Room()
        self.before = [
            *self.room.created(BOB),
            self.room.state_event("m.room.name", {"name": "Wonderland"}),
            self.room.state_event("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}),
            self.room.state_event("org.example.note", {"text": _TEXT}),
            self.room.member(ALICE, "join", displayname=_NAME, avatar_url=_PICTURE),
            self.room.message("tea", sender=BOB),
        ]
        self.sent = self.room.message(_TEXT)
        self.before += [
            self.sent,
            child(self.room, self.sent, "m.thread", _TEXT),
            child(self.room, self.sent, "m.reference", sender=BOB),
        ]
        self.left = self.room.member(ALICE, "leave")
        self.after = [
            self.left,
            self.room.member(CHARLIE, "join"),
            self.room.message("jam", sender=BOB),
        ]

    async def reads(self, house: House, reader: str) -> AsyncIterator[tuple[str, Any]]:
        """Give all that a member can read of the room, by what it is."""
        room_id = quote(self.room.room_id)
        sent, alice = quote(self.sent.event_id), quote(ALICE)
        for limit in range(1, 12):
            for lazy in (False, True):
                for after in (False, True):
                    state = {"lazy_load_members": lazy, "include_redundant_members": lazy}
                    options = {"room": {"timeline": {"limit": limit}, "state": state}}
                    answer = await house.sync(reader, filter=options, use_state_after=after)
                    yield f"sync {limit} {lazy} {after}", answer
                    previous = answer["rooms"]["join"][self.room.room_id]["timeline"]["prev_batch"]
                    found = await house.room(reader, self.room, "members", at=previous)
                    yield f"members at {limit}", found.json
        lazy_filter = {"lazy_load_members": True}
        queries: dict[str, dict[str, Any]] = {
            "messages": {"dir": "b", "limit": 50},
            "messages ": {"dir": "f", "limit": 3, "filter": lazy_filter},
            f"context/{sent}": {"filter": lazy_filter},
            f"context/{sent}?": {},
            f"event/{sent}": {},
            "state": {},
            f"state/m.room.member/{alice}": {},
            f"state/m.room.member/{alice}?": {"format": "event"},
            "state/org.example.note": {},
            "state/org.example.note?": {"format": "event"},
            "members": {},
            "joined_members": {},
            "initialSync": {"limit": 50},
        }
        for path, query in queries.items():
            yield path, (await house.room(reader, self.room, path.strip(" ?"), **query)).json
        for path in ("initialSync", f"events/{sent}"):
            yield path, (await house.get(reader, path)).json
        for path in (
            f"rooms/{room_id}/relations/{sent}",
            f"rooms/{room_id}/threads",
            f"rooms/{room_id}/hierarchy",
        ):
            yield path, (await house.get(reader, path, version="v1")).json


@pytest.mark.parametrize("is_announced_late", [False, True])
async def test_newcomers_are_told_nothing_of_what_an_erased_user_had_set(
    house: House, *, is_announced_late: bool
) -> None:
    story = Story()
    if is_announced_late:
        # Topics are read side by side: the erasure may be projected before the room's events.
        await house.put_client_data(_ERASED)
        await house.projected()
        await house.put(*story.before)
    else:
        await house.put(*story.before)
        await house.projected()
        await house.put_client_data(_ERASED)
        await house.projected()
    await house.put(*story.after)
    await house.projected()

    told = {what: secrets_in(answer) async for what, answer in story.reads(house, CHARLIE)}
    shown = {what: secrets_in(answer) async for what, answer in story.reads(house, BOB)}

    assert {what: found for what, found in told.items() if found} == {}
    assert set().union(*shown.values()) == _SECRETS
    assert shown["messages"] == _SECRETS
    state = {
        one["type"]: one["content"] for one in (await house.room(CHARLIE, story.room, "state")).json
    }
    assert state["m.room.name"] == {"name": "Wonderland"}
    assert state["m.room.encryption"] == {"algorithm": "m.megolm.v1.aes-sha2"}


async def test_who_was_in_the_room_before_the_erasure_keeps_its_state(house: House) -> None:
    story = Story()
    await house.put(*story.before, story.room.member(CHARLIE, "join"))
    await house.projected()
    await house.put_client_data(_ERASED)
    await house.projected()

    members = (await house.room(CHARLIE, story.room, "members")).json["chunk"]
    [alice] = [one for one in members if one["state_key"] == ALICE]

    assert alice["content"]["displayname"] == _NAME
