"""The tables of rooms can be made anew from what the room server keeps."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from base.database import open_database
from components.syncapi.component import SCHEMA
from components.syncapi.projection.follower import RebuildBegun
from components.syncapi.projection.rebuild import RebuildProgress, rebuild
from internalapi.roomserver import RoomHistoryPage
from logs.embedded import EmbeddedLog
from logs.records.room_output import InviteReceived, OutputRoomEvent
from logs.topics import OUTPUT_ROOM_EVENT, TOPICS
from matrix.identifiers import RoomID
from tests.component.syncapi.replicas import two_replicas
from tests.component.syncapi.story import (
    ALICE,
    BOB,
    CHARLIE,
    House,
    Room,
    announce,
    bodies,
    running_house,
)

_NO_WAIT_S = 0.0


class Announced:
    """The room server's history, as a test announced it; places are numbers of records."""

    def __init__(self, *records: OutputRoomEvent) -> None:
        self.rooms: dict[str, list[OutputRoomEvent]] = {}
        for record in records:
            self.rooms.setdefault(record.room_id, []).append(record)
        self.fails_at: str | None = None

    async def query_rooms(self, *, after: str, limit: int) -> list[RoomID]:
        return [RoomID(room_id) for room_id in sorted(self.rooms) if room_id > after][:limit]

    async def query_room_history(
        self, *, room_id: RoomID, after_place: int, limit: int
    ) -> RoomHistoryPage:
        assert limit
        if room_id == self.fails_at:
            raise ConnectionError(room_id)
        page = self.rooms[room_id][after_place : after_place + 3]
        last = after_place + len(page)
        return RoomHistoryPage(
            [OUTPUT_ROOM_EVENT.encode(record) for record in page],
            last if last < len(self.rooms[room_id]) else None,
        )


async def rebuilt(folder: Path, database_url: str, history: Announced) -> list[RebuildProgress]:
    """Rebuild while nothing serves, and return the progress that was told."""
    log = await EmbeddedLog.open(folder / "log", dict.fromkeys(TOPICS, 1))
    database = await open_database(database_url, SCHEMA)
    told: list[RebuildProgress] = []
    try:
        await rebuild(
            log=log, database=database, history=history, progress=told.append, notice_s=_NO_WAIT_S
        )
    finally:
        await database.close()
        await log.close()
    return told


async def what_clients_see(house: House, rooms: Sequence[Room]) -> list[Any]:
    """Return all that three users can read, without tokens."""
    seen: list[Any] = []
    for user in (ALICE, BOB, CHARLIE):
        answer = await house.sync(user, filter={"room": {"include_leave": True}})
        for kind, parts in sorted(answer["rooms"].items()):
            for room_id, part in sorted(parts.items()):
                part.get("timeline", {}).pop("prev_batch", None)
                for name in ("state", "state_after"):
                    if name in part:
                        part[name]["events"].sort(key=lambda event: str(event["event_id"]))
                seen.append((user, kind, room_id, part))
        for room in rooms:
            page = await house.room(user, room, "messages", dir="b", limit=100)
            seen.append((user, room.room_id, page.json.get("chunk")))
            members = await house.room(user, room, "members")
            seen.append(sorted(str(event) for event in members.json.get("chunk", ())))
    return seen


def a_long_story() -> tuple[list[Room], list[OutputRoomEvent]]:
    room, other = Room("one"), Room("other")
    secret = room.message("secret")
    records: list[OutputRoomEvent] = [
        *other.created(BOB, CHARLIE, visibility="joined"),
        other.message("hello"),
        other.state_event("m.room.topic", {"topic": "first"}),
        other.state_event("m.room.topic", {"topic": "second"}),
        other.member(CHARLIE, "leave"),
        other.message("without charlie"),
        *room.created(BOB),
        secret,
        room.old("before"),
        room.old("long before"),
        *room.redacted(secret),
        room.member(CHARLIE, "invite", by=ALICE),
        room.message("last"),
    ]
    return [room, other], records


async def test_a_rebuilt_database_answers_as_before(tmp_path: Path, database_url: str) -> None:
    rooms, records = a_long_story()
    async with running_house(tmp_path, database_url) as house:
        await house.put(*records)
        await house.put_account_data(ALICE, "test.data", {"kept": True})
        await house.projected()
        before = await what_clients_see(house, rooms)

    told = await rebuilt(tmp_path, database_url, Announced(*records))

    async with running_house(tmp_path, database_url) as house:
        assert await what_clients_see(house, rooms) == before
        answer = await house.sync(ALICE)
        assert [event["content"] for event in answer["account_data"]["events"]] == [{"kept": True}]
    assert told == [
        RebuildProgress(0, 2, 0),
        RebuildProgress(1, 2, len(Announced(*records).rooms[rooms[0].room_id])),
        RebuildProgress(2, 2, len(records)),
    ]


async def test_clients_go_on_after_a_rebuild_with_a_new_token(
    tmp_path: Path, database_url: str
) -> None:
    rooms, records = a_long_story()
    room = rooms[0]
    async with running_house(tmp_path, database_url) as house:
        await house.put(*records)
        answer = await house.sync(BOB)
        place = answer["rooms"]["join"][room.room_id]["timeline"]["prev_batch"]

    await rebuilt(tmp_path, database_url, Announced(*records))

    async with running_house(tmp_path, database_url) as house:
        refused = await house.get(BOB, "sync", since=answer["next_batch"])
        old_page = await house.room(BOB, room, "messages", dir="b", from_=place)
        since = (await house.sync(BOB))["next_batch"]
        await house.put(room.message("new"), room.state_event("m.room.topic", {"topic": "new"}))
        part = (await house.sync(BOB, since))["rooms"]["join"][room.room_id]

    assert (refused.status, refused.json["errcode"]) == (400, "M_INVALID_PARAM")
    assert (old_page.status, old_page.json["errcode"]) == (400, "M_INVALID_PARAM")
    assert bodies(part["timeline"]["events"]) == ["new", "m.room.topic"]
    assert part["timeline"]["limited"] is False


async def test_what_was_announced_and_not_projected_comes_once(
    tmp_path: Path, database_url: str
) -> None:
    rooms, records = a_long_story()
    room = rooms[0]
    async with running_house(tmp_path, database_url) as house:
        await house.put(*records)
        await house.projected()
    log = await EmbeddedLog.open(tmp_path / "log", dict.fromkeys(TOPICS, 1))
    later = [room.message("one"), room.member(CHARLIE, "join"), room.message("two")]
    await announce(log, *later)
    await log.close()

    await rebuilt(tmp_path, database_url, Announced(*records, *later))

    async with running_house(tmp_path, database_url) as house:
        await house.put(room.message("three"))
        messages = await house.room(BOB, room, "messages", dir="b", limit=4)
        answer = await house.sync(CHARLIE)
    assert bodies(messages.json["chunk"]) == ["three", "two", "m.room.member", "one"]
    assert room.room_id in answer["rooms"]["join"]


async def test_invites_from_afar_outlive_a_rebuild(tmp_path: Path, database_url: str) -> None:
    _, records = a_long_story()
    far = Room("far")
    create = far.state_event("m.room.create", {"room_version": "11"})
    invite = far.member(BOB, "invite", by=ALICE)
    received = InviteReceived(far.room_id, invite.event_id, "11", invite.pdu, BOB, [create.pdu])
    async with running_house(tmp_path, database_url) as house:
        await house.put(*records, received)
        before = (await house.sync(BOB))["rooms"]["invite"]

    await rebuilt(tmp_path, database_url, Announced(*records))

    async with running_house(tmp_path, database_url) as house:
        assert (await house.sync(BOB))["rooms"]["invite"] == before
        await house.put(*far.created(BOB))
        answer = await house.sync(BOB)
    assert far.room_id in answer["rooms"]["join"]
    assert "invite" not in answer["rooms"]


async def test_an_interrupted_rebuild_goes_on_where_it_was(
    tmp_path: Path, database_url: str
) -> None:
    rooms, records = a_long_story()
    async with running_house(tmp_path, database_url) as house:
        await house.put(*records)
        await house.projected()
        before = await what_clients_see(house, rooms)
    history = Announced(*records)
    history.fails_at = rooms[1].room_id
    with pytest.raises(ConnectionError):
        await rebuilt(tmp_path, database_url, history)
    history.fails_at = None

    told = await rebuilt(tmp_path, database_url, history)

    async with running_house(tmp_path, database_url) as house:
        assert await what_clients_see(house, rooms) == before
    assert [(one.rooms, one.all_rooms) for one in told] == [(1, 2), (2, 2)]


@pytest.mark.postgres
async def test_processes_that_serve_end_when_a_rebuild_begins(
    tmp_path: Path, postgres_url: str
) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, other):
        room = one.own_room()
        records = room.created(BOB)
        await one.put(*records)
        await one.projected()
        database = await open_database(postgres_url, SCHEMA)

        await rebuild(
            log=one.log,
            database=database,
            history=Announced(*records),
            progress=lambda _: None,
            notice_s=_NO_WAIT_S,
        )
        ends = await asyncio.gather(one.follower_end(), other.follower_end())
        await database.close()

    for end in ends:
        assert end.subgroup(RebuildBegun) is not None
