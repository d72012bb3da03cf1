"""Rooms that get a copy of a profile while it changes end with the new one.

Those that somebody enters whose account ends meanwhile end without them.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from internalapi.userapi import Profiles
from matrix.identifiers import UserID
from tests.component.clientapi.clientapi_server import (
    House,
    Options,
    User,
    room_with_rule,
    running_house,
)


class HeldProfiles:
    """Profiles of which one answer, once it is read, is on its way for as long as a test wants."""

    def __init__(self) -> None:
        self.profiles: Profiles | None = None
        self.held_user_id = ""
        self.passed = 0
        """How many answers about that user are not held before the one that is."""
        self.is_read = asyncio.Event()
        self.may_arrive = asyncio.Event()

    def through(self, profiles: Profiles) -> Profiles:
        """Ask these profiles."""
        self.profiles = profiles
        return self

    async def query_profile(self, *, user_id: UserID) -> dict[str, Any]:
        assert self.profiles is not None
        profile = await self.profiles.query_profile(user_id=user_id)
        if user_id == self.held_user_id:
            self.passed -= 1
            if self.passed == -1:
                self.is_read.set()
                await self.may_arrive.wait()
        return profile

    async def perform_set_profile_field(self, *, user_id: UserID, field: str, value: Any) -> bool:
        assert self.profiles is not None
        return await self.profiles.perform_set_profile_field(
            user_id=user_id, field=field, value=value
        )


async def enter(house: House, bob: User, way: str) -> str:
    """Let Bob come into a new room in some way; return its ID."""
    room_id: str
    match way:
        case "join":
            alice = await house.user("alice")
            room_id = await alice.create_room(preset="public_chat")
            await bob.join(room_id)
        case "creation":
            room_id = await bob.create_room()
        case _:
            old = await bob.create_room(room_version="11")
            answer = await bob.in_room("upgrade", old, new_version="12")
            room_id = answer.json["replacement_room"]
    return room_id


@pytest.mark.parametrize("way", ["join", "creation", "upgrade"])
async def test_a_room_shows_the_name_that_was_set_while_it_got_a_copy(
    tmp_path: Path, way: str
) -> None:
    held = HeldProfiles()
    async with running_house(tmp_path, Options(profiles_through=held.through)) as house:
        bob = await house.user("bob")
        held.held_user_id = bob.user_id
        # The room that is upgraded is created with one copy and a second look.
        held.passed = 2 if way == "upgrade" else 0
        entering = asyncio.create_task(enter(house, bob, way))
        await held.is_read.wait()
        await bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Robert"})
        held.may_arrive.set()
        room_id = await entering

        content = await house.content(room_id, "m.room.member", bob.user_id)

        assert content["displayname"] == "Robert"


async def let_in(house: House, bob: User, way: str) -> str:
    """Let Bob come into a room that Alice has, or he makes, in some way; return its ID."""
    alice = await house.user("alice")
    room_id: str
    match way:
        case "join":
            room_id = await alice.create_room(preset="public_chat")
            await bob.join(room_id)
        case "knock":
            room_id = await room_with_rule(alice, "12", {"join_rule": "knock"})
            await bob.post(f"/knock/{room_id}")
        case "invite":
            room_id = await alice.create_room()
            await alice.in_room("invite", room_id, user_id=bob.user_id)
        case "invite of a new room":
            room_id = await alice.create_room(invite=[bob.user_id])
        case _:
            room_id = await bob.create_room(preset="public_chat")
    return room_id


WAYS = ["join", "knock", "invite", "invite of a new room", "creation"]


@pytest.mark.parametrize("way", WAYS)
async def test_whose_account_ends_on_the_way_into_a_room_is_not_in_it(
    tmp_path: Path, way: str
) -> None:
    held = HeldProfiles()
    async with running_house(tmp_path, Options(profiles_through=held.through)) as house:
        bob = await house.user("bob")
        held.held_user_id = bob.user_id
        entering = asyncio.create_task(let_in(house, bob, way))
        await held.is_read.wait()
        await house.users.operator.perform_deactivate(bob.user_id, erase=False)
        # All that Bob is in so far is left before he comes in.
        await house.departures.perform_leave_all(user_id=bob.user_id)
        held.may_arrive.set()

        room_id = await entering

        assert await house.membership(room_id, bob) == "leave"
