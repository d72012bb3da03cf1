"""The tables can be made again, beside those that serve, from what others keep for good."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from base.database import SchemaTooOld, drop_database, open_database
from components.syncapi.assembly import SCHEMA
from components.syncapi.settings import SyncApiSettings
from logs.embedded import EmbeddedLog
from logs.rebuilding import RebuildProgress
from logs.rebuilding.progress import RebuildTaken
from logs.records.receipts import ReceiptMoved
from logs.records.room_output import (
    EventAdded,
    InviteReceived,
    OutputRoomEvent,
    RedactionApplied,
)
from logs.topics import TOPICS
from matrix.identifiers import UserID
from tests.component.syncapi.kept_histories import (
    Announced,
    Killed,
    a_long_story,
    a_whole_story,
    announced_all,
    rebuilt,
    rebuilt_beside,
    what_clients_see,
)
from tests.component.syncapi.replicas import two_replicas
from tests.component.syncapi.story import (
    ALICE,
    BOB,
    CHARLIE,
    Room,
    announce,
    bodies,
    running_house,
)
from tests.component.syncapi.to_device_messages import given, to_device
from tests.fixtures.dropped_records import drop_records

_FOREVER_S = 600.0


async def test_tables_made_anew_without_the_topics_answer_as_before(
    tmp_path: Path, database_url: str
) -> None:
    rooms, records, kept = a_whole_story()
    async with running_house(tmp_path, database_url) as house:
        await announced_all(house, records, kept)
        before = await what_clients_see(house, rooms)
        data = (await house.sync(ALICE))["account_data"]["events"]
    await drop_records(tmp_path / "log")

    told = await rebuilt(tmp_path, database_url, kept)

    async with running_house(tmp_path, database_url) as house:
        assert await what_clients_see(house, rooms) == before
        assert (await house.sync(ALICE))["account_data"]["events"] == data
    assert told[0] == RebuildProgress("account data", 0, 2, 0)
    assert (told[-1].rooms, told[-1].behind) == (2, 0)


async def test_unread_counts_are_what_they_were_whatever_was_redacted(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    created, root = room.created(BOB), room.message("root")
    in_thread, mine = in_thread_of(room, root, ALICE), in_thread_of(room, root, BOB)
    about = related(room, "m.reference", in_thread, ALICE)
    edit = related(room, "m.replace", root, BOB)
    records: list[OutputRoomEvent] = [*created, root, in_thread, mine, about, edit]
    redactions = [room.redacted(one) for one in (in_thread, mine, edit)]
    by_thread = {"room": {"timeline": {"unread_thread_notifications": True}}}
    async with running_house(tmp_path, database_url) as house:
        await house.put(*records, *(one for redaction in redactions for one in redaction))
        before = (await house.sync(BOB, filter=by_thread))["rooms"]["join"][room.room_id]
    await drop_records(tmp_path / "log")

    await rebuilt(tmp_path, database_url, Announced(*as_they_are_now(records, redactions)))

    async with running_house(tmp_path, database_url) as house:
        after = (await house.sync(BOB, filter=by_thread))["rooms"]["join"][room.room_id]
    assert before["unread_notifications"]["notification_count"] == 1
    assert before["unread_thread_notifications"][root.event_id]["notification_count"] == 1
    for name in ("unread_notifications", "unread_thread_notifications"):
        assert after[name] == before[name]


def related(room: Room, kind: str, parent: EventAdded, sender: UserID) -> EventAdded:
    relation = {"rel_type": kind, "event_id": parent.event_id}
    content = {"msgtype": "m.text", "body": kind, "m.relates_to": relation}
    return room.added(room.build("m.room.message", content, sender=sender))


def in_thread_of(room: Room, root: EventAdded, sender: UserID) -> EventAdded:
    return related(room, "m.thread", root, sender)


def as_they_are_now(
    records: Sequence[OutputRoomEvent], redactions: Sequence[Sequence[OutputRoomEvent]]
) -> list[OutputRoomEvent]:
    """Return what the room server keeps: redacted events without what was taken from them."""
    applied = {one.event_id: one for _, one in redactions if isinstance(one, RedactionApplied)}
    kept: list[OutputRoomEvent] = []
    for record in records:
        redacted = applied.get(record.event_id)
        if redacted is None or not isinstance(record, EventAdded):
            kept.append(record)
        else:
            kept += [replace(record, pdu=redacted.redacted_pdu), redacted]
    return [*kept, *(added for added, _ in redactions)]


async def test_receipts_and_account_data_go_on_after_a_rebuild(
    tmp_path: Path, database_url: str
) -> None:
    rooms, records, kept = a_whole_story()
    room_id = rooms[0].room_id
    async with running_house(tmp_path, database_url) as house:
        await announced_all(house, records, kept)

    await rebuilt(tmp_path, database_url, kept)

    async with running_house(tmp_path, database_url) as house:
        first = await house.sync(BOB)
        quiet = await house.sync(BOB, first["next_batch"])
        await house.put_account_data(BOB, "test.new", {})
        await house.move_receipts(ReceiptMoved(room_id, ALICE, "m.read", "$new", 5))
        news = await house.sync(BOB, first["next_batch"])
    assert not quiet["account_data"]["events"]
    assert "rooms" not in quiet or not quiet["rooms"]
    assert [event["type"] for event in news["account_data"]["events"]] == ["test.new"]
    [receipt] = news["rooms"]["join"][room_id]["ephemeral"]["events"]
    assert list(receipt["content"]) == ["$new"]


async def test_client_sync_serves_while_it_is_rebuilt(tmp_path: Path, database_url: str) -> None:
    rooms, records, kept = a_whole_story()
    room = rooms[0]
    sent: list[str] = []

    async with running_house(tmp_path, database_url) as house:
        await announced_all(house, records, kept)
        rebuilding = asyncio.create_task(
            rebuilt_beside(house.log, database_url, kept, notice_s=_FOREVER_S)
        )
        since = (await house.sync(BOB))["next_batch"]
        seen: list[str] = []
        while not await house.sync_api.serving.query_replaced():
            sent.append(f"meanwhile {len(sent)}")
            message = room.message(sent[-1])
            kept.keep(message)
            await house.put(message)
            answer = await house.sync(BOB, since)
            since = answer["next_batch"]
            seen += bodies(answer["rooms"]["join"][room.room_id]["timeline"]["events"])
        rebuilding.cancel()
        await asyncio.wait([rebuilding])

    async with running_house(tmp_path, database_url) as house:
        await house.projected()
        page = await house.room(BOB, room, "messages", dir="b", limit=1000)
    assert seen == sent
    messages = [body for body in bodies(page.json["chunk"]) if body.startswith("meanwhile")]
    assert messages == sent[::-1]
    assert len(sent) > 1


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
        anew = await house.sync(BOB, answer["next_batch"])
        old_page = await house.room(BOB, room, "messages", dir="b", from_=place)
        since = (await house.sync(BOB))["next_batch"]
        await house.put(room.message("new"), room.state_event("m.room.topic", {"topic": "new"}))
        part = (await house.sync(BOB, since))["rooms"]["join"][room.room_id]

    assert set(anew["rooms"]["join"]) == set(answer["rooms"]["join"])
    assert all(one["timeline"]["limited"] for one in anew["rooms"]["join"].values())
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


async def test_a_rebuild_that_is_killed_again_and_again_harms_nothing(
    tmp_path: Path, database_url: str
) -> None:
    rooms, records, kept = a_whole_story()
    async with running_house(tmp_path, database_url) as house:
        await announced_all(house, records, kept)
        before = await what_clients_see(house, rooms)
    deaths = 0
    while True:
        try:
            await rebuilt(tmp_path, database_url, kept, dies_after=3)
        except Killed:
            deaths += 1
        else:
            break
        if deaths % 4 == 0:
            async with running_house(tmp_path, database_url) as house:
                assert await what_clients_see(house, rooms) == before

    async with running_house(tmp_path, database_url) as house:
        assert await what_clients_see(house, rooms) == before
    assert deaths > 1


async def test_a_rebuild_begins_anew_where_the_log_no_longer_has_what_it_needs(
    tmp_path: Path, database_url: str
) -> None:
    rooms, records, kept = a_whole_story()
    kept.fails_at = max(kept.rooms)
    async with running_house(tmp_path, database_url) as house:
        await announced_all(house, records, kept)
    with pytest.raises(ConnectionError):
        await rebuilt(tmp_path, database_url, kept)
    kept.fails_at = None
    late = rooms[0].message("late")
    kept.keep(late)
    async with running_house(tmp_path, database_url) as house:
        await house.put(late)
        await house.projected()
        before = await what_clients_see(house, rooms)
    await drop_records(tmp_path / "log")

    told = await rebuilt(tmp_path, database_url, kept)

    assert told[0].rooms == 0
    async with running_house(tmp_path, database_url) as house:
        assert await what_clients_see(house, rooms) == before


@pytest.mark.postgres
async def test_an_older_run_that_still_lives_can_write_no_more(
    tmp_path: Path, postgres_url: str
) -> None:
    rooms, records, kept = a_whole_story()
    async with running_house(tmp_path, postgres_url) as house:
        await announced_all(house, records, kept)
        before = await what_clients_see(house, rooms)
    kept.waits_for = asyncio.Event()
    slow = Announced(*records)
    slow.data, slow.statuses, slow.receipts = kept.data, kept.statuses, kept.receipts
    log = await EmbeddedLog.open(tmp_path / "log", dict.fromkeys(TOPICS, 1))
    waiting = asyncio.Event()

    def note(progress: RebuildProgress) -> None:
        if progress.doing == "rooms":
            waiting.set()

    older = asyncio.create_task(rebuilt_beside(log, postgres_url, kept, note))
    await waiting.wait()
    slow.waits_for = asyncio.Event()
    newer = asyncio.create_task(rebuilt_beside(log, postgres_url, slow, note))
    waiting.clear()
    await waiting.wait()

    kept.waits_for.set()
    with pytest.raises(RebuildTaken):
        await older
    slow.waits_for.set()
    await newer

    await log.close()
    async with running_house(tmp_path, postgres_url) as house:
        assert await what_clients_see(house, rooms) == before


@pytest.mark.postgres
async def test_processes_notice_that_their_tables_were_replaced(
    tmp_path: Path, postgres_url: str
) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, other):
        room = one.own_room()
        records = room.created(BOB)
        await one.put(*records)
        await one.projected()

        kept = Announced(*records)
        rebuilding = asyncio.create_task(
            rebuilt_beside(one.log, postgres_url, kept, notice_s=_FOREVER_S)
        )

        async with asyncio.timeout(20):
            await one.sync_api.serving.replaced.wait()
            await other.sync_api.serving.replaced.wait()
        rebuilding.cancel()
        await asyncio.wait([rebuilding])


async def test_copies_that_no_longer_serve_are_gone(tmp_path: Path, database_url: str) -> None:
    _, records, kept = a_whole_story()
    async with running_house(tmp_path, database_url) as house:
        await announced_all(house, records, kept)

    await rebuilt(tmp_path, database_url, kept)
    await rebuilt(tmp_path, database_url, kept)

    for copy in (0, 1):
        with pytest.raises(SchemaTooOld):
            await open_database(database_url, SCHEMA.numbered(copy), may_migrate=False)
    await (await open_database(database_url, SCHEMA.numbered(2), may_migrate=False)).close()


async def test_messages_that_devices_have_not_got_yet_outlast_a_rebuild_without_the_topic(
    tmp_path: Path, database_url: str
) -> None:
    repeated = to_device("PHONE", text="two", transaction_id="two")
    async with running_house(tmp_path, database_url) as house:
        await house.send_to_device(to_device("PHONE", text="one"), repeated)
        await house.sync(ALICE)
        await house.send_to_device(to_device("LAPTOP", text="three"))
        await house.projected()
    await drop_records(tmp_path / "log")

    await rebuilt(tmp_path, database_url, Announced())

    async with running_house(tmp_path, database_url) as house:
        await house.send_to_device(repeated, to_device("PHONE", text="four"))
        assert given(await house.sync(ALICE)) == ["one", "two", "four"]
        assert given(await house.sync(f"{ALICE}/LAPTOP")) == ["three"]


async def test_a_token_of_the_former_copy_says_which_messages_have_arrived(
    tmp_path: Path, database_url: str
) -> None:
    async with running_house(tmp_path, database_url) as house:
        await house.send_to_device(to_device("PHONE", text="one"))
        first = await house.sync(ALICE)
        await house.send_to_device(to_device("PHONE", text="two"))
        await house.projected()

    await rebuilt(tmp_path, database_url, Announced())

    async with running_house(tmp_path, database_url) as house:
        second = await house.sync(ALICE, first["next_batch"])
        third = await house.sync(ALICE, second["next_batch"])
        afresh = await house.sync(ALICE)
    assert [given(one) for one in (first, second, third, afresh)] == [["one"], ["two"], [], []]


async def test_messages_outlast_the_log_and_are_given_before_those_of_the_next_one(
    tmp_path: Path, database_url: str
) -> None:
    async with running_house(tmp_path, database_url) as house:
        await house.send_to_device(*(to_device("PHONE", text=str(number)) for number in range(5)))
        await house.projected()

    await rebuilt(tmp_path / "next", database_url, Announced())

    settings = SyncApiSettings(to_device_messages=3)
    async with running_house(tmp_path / "next", database_url, settings) as house:
        await house.send_to_device(to_device("PHONE", text="5"), to_device("PHONE", text="6"))
        first = await house.sync(ALICE)
        second = await house.sync(ALICE, first["next_batch"])
        third = await house.sync(ALICE, second["next_batch"])
    assert [given(one) for one in (first, second, third)] == [list("01234"), ["5", "6"], []]


async def test_messages_are_read_from_the_topic_where_there_are_no_tables_to_take_them_from(
    tmp_path: Path, database_url: str
) -> None:
    async with running_house(tmp_path, database_url) as house:
        await house.send_to_device(to_device("PHONE", text="one"), to_device("PHONE", text="two"))
        await house.projected()
    await drop_database(database_url, SCHEMA)

    await rebuilt(tmp_path, database_url, Announced())

    async with running_house(tmp_path, database_url) as house:
        assert given(await house.sync(ALICE)) == ["one", "two"]
