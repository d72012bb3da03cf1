"""Several processes of client sync behind any load balancer: a client notices nothing of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from components.syncapi.settings import SyncApiSettings
from matrix.identifiers import UserID
from tests.component.syncapi.replicas import PARTITIONS, Client, Replica, two_replicas
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, Room, bodies

pytestmark = pytest.mark.postgres

Replicas = tuple[Replica, Replica]
_LONG_MS = 20_000


@pytest.fixture
async def replicas(tmp_path: Path, postgres_url: str) -> AsyncIterator[Replicas]:
    async with two_replicas(tmp_path, postgres_url) as running:
        yield running


async def test_a_client_of_either_replica_gets_each_event_once_and_in_order(
    replicas: Replicas,
) -> None:
    one, other = replicas
    rooms = [
        one.own_room("one"),
        other.own_room("other"),
        one.own_room("another"),
        other.own_room("last"),
    ]
    for room in rooms:
        await one.put(*room.created(BOB))
    alice, bob = Client(ALICE, one, other), Client(BOB, other, one)
    await alice.sync()
    await bob.sync()

    for number in range(12):
        for room in rooms:
            await one.put(room.message(str(number)))
        await alice.sync(timeout_ms=50)
        await bob.sync()
    for room in rooms:
        await alice.until_seen(room, "11")
        await bob.until_seen(room, "11")

    for room in rooms:
        assert alice.messages(room) == [str(number) for number in range(12)]
        assert bob.messages(room) == [str(number) for number in range(12)]


async def test_a_long_poll_is_woken_by_what_the_other_replica_projects(replicas: Replicas) -> None:
    one, other = replicas
    room = other.own_room()
    await one.put(*room.created(BOB))
    bob = Client(BOB, one)
    await bob.sync()

    polling = asyncio.create_task(bob.sync(timeout_ms=_LONG_MS))
    await one.until_waiting(BOB)
    await one.put(room.message("hello"))
    await polling

    assert bob.messages(room) == ["hello"]


async def test_a_token_of_one_replica_is_good_at_the_other_at_once(replicas: Replicas) -> None:
    one, other = replicas
    room = one.own_room()
    await one.put(*room.created(BOB))
    bob = Client(BOB, one, other)
    await bob.sync()

    for number in range(20):
        await one.put(room.message(str(number)))
        polled = await one.answer(BOB, bob.since, timeout=_LONG_MS)
        answer = await other.answer(BOB, polled["next_batch"])
        assert room.room_id not in answer["rooms"].get("join", {})
        await bob.sync(timeout_ms=_LONG_MS)

    await bob.until_seen(room, "19")
    assert bob.messages(room) == [str(number) for number in range(20)]


async def test_a_first_sync_has_what_was_written_before_whoever_projects_it(
    replicas: Replicas,
) -> None:
    one, other = replicas
    room = other.own_room()
    await one.put(*room.created(BOB))

    for number in range(5):
        await one.put(room.message(str(number)))
        bob = Client(BOB, one)
        await bob.sync()
        assert bob.messages(room)[-1] == str(number)
        assert (await one.room(BOB, room, "messages", dir="b", limit=1)).json["chunk"][0][
            "content"
        ]["body"] == str(number)


async def test_joining_and_leaving_are_told_by_the_replica_that_does_not_project_them(
    replicas: Replicas,
) -> None:
    one, other = replicas
    room = other.own_room()
    await one.put(*room.created(BOB))
    charlie, bob = Client(CHARLIE, one), Client(BOB, one)
    await charlie.sync()
    await bob.sync()

    await one.put(room.member(CHARLIE, "join"), room.message("welcome"))
    await charlie.until_seen(room, "welcome")
    await bob.until_seen(room, "welcome")
    await one.put(room.member(CHARLIE, "leave"), room.message("without charlie"))
    left = await charlie.sync(timeout_ms=_LONG_MS)
    await bob.until_seen(room, "without charlie")

    assert charlie.messages(room) == ["welcome"]
    assert list(left["rooms"]["leave"]) == [room.room_id]
    assert "without charlie" not in str(left)
    joined = await one.get(CHARLIE, "joined_rooms")
    assert joined.json == {"joined_rooms": []}


async def test_state_without_an_event_in_the_timeline_wakes_the_other_replica(
    replicas: Replicas,
) -> None:
    one, other = replicas
    room = other.own_room()
    await one.put(*room.created(BOB), room.member(CHARLIE, "join"), room.member(CHARLIE, "leave"))
    bob = Client(BOB, one)
    await bob.sync()
    join = room.build("m.room.member", {"membership": "join"}, sender=CHARLIE, state_key=CHARLIE)

    polling = asyncio.create_task(one.answer(BOB, bob.since, timeout=_LONG_MS))
    await one.until_waiting(BOB)
    await one.put(room.withheld(join))
    part = (await polling)["rooms"]["join"][room.room_id]

    assert [event["event_id"] for event in part["state"]["events"]] == [join.event_id]
    charlie = Client(CHARLIE, one)
    await charlie.sync()
    await one.put(room.message("welcome back"))
    await charlie.until_seen(room, "welcome back")


async def test_a_redaction_reaches_the_memory_of_the_other_replica(replicas: Replicas) -> None:
    one, other = replicas
    room = other.own_room()
    await one.put(*room.created(BOB))
    bob = Client(BOB, one)
    await bob.sync()
    before = bob.since
    secret = room.message("secret")
    await one.put(secret)
    await bob.until_seen(room, "secret")

    await one.put(*room.redacted(secret), room.message("after"))
    await bob.until_seen(room, "after")
    answer = await one.answer(BOB, before)

    events = answer["rooms"]["join"][room.room_id]["timeline"]["events"]
    assert [event["content"].get("body") for event in events] == [None, None, "after"]
    assert "redacted_because" in events[0]["unsigned"]


async def test_account_data_is_told_by_both_replicas(replicas: Replicas) -> None:
    one, other = replicas
    clients = [Client(ALICE, one), Client(ALICE, other)]
    for client in clients:
        await client.sync()

    for number in range(3):
        await one.put_account_data(ALICE, f"test.{number}", {"number": number})
        for client in clients:
            async with asyncio.timeout(20):
                while f"test.{number}" not in client.data:
                    await client.sync(timeout_ms=_LONG_MS)

    for client in clients:
        assert client.data == ["test.0", "test.1", "test.2"]


async def test_nothing_is_lost_or_doubled_while_partitions_change_hands(
    replicas: Replicas,
) -> None:
    one, other = replicas
    rooms = [one.own_room("one"), other.own_room("other"), one.own_room("more")]
    for room in rooms:
        await one.put(*room.created(BOB))
    long = {"room": {"timeline": {"limit": 100}}}
    clients = [
        Client(ALICE, one, other, filter=long),
        Client(BOB, other, one, filter=long),
        Client(BOB, one, filter=long),
    ]
    for client in clients:
        await client.sync()

    async with asyncio.TaskGroup() as following:
        for client in clients:
            following.create_task(_until_all_seen(client, rooms, "last"))
        await _put_while_partitions_move(one, other, rooms)

    expected = [*map(str, range(60)), "last"]
    for client in clients:
        for room in rooms:
            assert client.messages(room) == expected


async def _until_all_seen(client: Client, rooms: Sequence[Room], body: str) -> None:
    for room in rooms:
        await client.until_seen(room, body)


async def _put_while_partitions_move(one: Replica, other: Replica, rooms: Sequence[Room]) -> None:
    for number in range(60):
        for room in rooms:
            await one.put(room.message(str(number)))
        match number:
            case 10:
                await other.stop_consumers()
            case 25:
                other.start_consumers()
            case 40:
                await one.stop_consumers()
                await other.until_sharing(PARTITIONS)
            case 50:
                one.start_consumers()
    for room in rooms:
        await one.put(room.message("last"))


async def test_what_a_former_owner_projected_is_learned_before_ones_own_commits(
    replicas: Replicas,
) -> None:
    one, other = replicas
    room = other.own_room()
    await one.put(*room.created(BOB))
    bob = Client(BOB, one)
    await bob.sync()
    await one.stop_follower()

    await one.put(room.message("first"))
    await other.projected()
    await other.stop_consumers()
    await one.until_sharing(PARTITIONS)
    await one.put(room.message("second"))
    await one.projected()
    early = asyncio.create_task(one.answer(BOB, bob.since))
    one.start_follower()
    await bob.until_seen(room, "second")
    await one.put(room.message("third"))
    await bob.until_seen(room, "third")

    part = (await early)["rooms"]["join"][room.room_id]
    assert bodies(part["timeline"]["events"])[:2] == ["first", "second"]
    assert bob.messages(room) == ["first", "second", "third"]


async def test_a_user_read_from_the_database_is_not_ahead_of_memory(
    tmp_path: Path, postgres_url: str
) -> None:
    # Memory is too small for anything: what changed is looked up by the user's memberships.
    settings = SyncApiSettings(recent_events_bytes=1)
    async with two_replicas(tmp_path, postgres_url, settings) as (one, other):
        room = other.own_room()
        charlie = Client(CHARLIE, other)
        await charlie.sync()
        await one.put(*room.created(BOB))
        await Client(BOB, one).sync()
        await one.stop_follower()

        await one.put(room.member(CHARLIE, "join"), room.message("welcome"))
        await other.projected()
        since, charlie = charlie.since, Client(CHARLIE, one)
        charlie.since = since
        early = asyncio.create_task(charlie.sync())
        one.start_follower()
        await early
        await charlie.until_seen(room, "welcome")

        assert charlie.seen[room.room_id].count("welcome") == 1
        assert (await charlie.sync())["rooms"] == {}


async def test_a_replica_that_does_not_get_on_tells_nothing_old(
    tmp_path: Path, postgres_url: str
) -> None:
    settings = SyncApiSettings(read_your_writes_timeout_s=2)
    async with two_replicas(tmp_path, postgres_url, settings) as (one, other):
        room = other.own_room()
        await one.put(*room.created(BOB))
        bob = Client(BOB, other)
        await bob.sync()
        await one.stop_follower()

        await one.put(room.message("first"))
        await other.projected()
        await bob.sync()
        await one.put(room.message("second"))
        refused = await one.get(BOB, "sync", since=bob.since)
        one.start_follower()
        answer = await one.answer(BOB, bob.since)

        assert refused.status == 503
        part = answer["rooms"]["join"][room.room_id]
        assert bodies(part["timeline"]["events"]) == ["second"]


async def test_lazy_loading_leaves_nobody_out_whichever_replica_answers(
    replicas: Replicas,
) -> None:
    one, other = replicas
    room = Room("lazy")
    users = [ALICE, BOB, CHARLIE]
    await one.put(*room.created(BOB, CHARLIE))
    lazy = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}
    since: str | None = None
    known: set[str] = set()

    for number in range(24):
        await one.put(room.message(str(number), sender=users[number % 3]))
        await other.projected()
        replica = replicas[number % 5 % 2]
        answer = await replica.answer(BOB, since, filter=lazy, timeout=_LONG_MS)
        # Every third answer is lost on the way.
        if number % 3 == 2:
            continue
        since = answer["next_batch"]
        part = answer["rooms"]["join"][room.room_id]
        events = [*part["state"]["events"], *part["timeline"]["events"]]
        known.update(event["state_key"] for event in events if event["type"] == "m.room.member")
        assert {event["sender"] for event in part["timeline"]["events"]} <= known


async def test_members_are_sent_again_to_a_device_that_began_again_elsewhere(
    replicas: Replicas,
) -> None:
    one, other = replicas
    room = other.own_room("lazy")
    lazy = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}
    many = [UserID(f"@user{number}:xylem.test") for number in range(8)]
    await one.put(*room.created(BOB, *many), room.message("hello"))
    start = (await one.answer(BOB, filter=lazy))["next_batch"]
    await one.put(room.message("hi", sender=many[7]))
    first = await one.answer(BOB, start, filter=lazy, timeout=_LONG_MS)
    await one.answer(BOB, first["next_batch"], filter=lazy)

    # The device restores what it had at the start, and misses the message in a gap.
    await one.put(room.message("from alice"))
    await other.projected()
    restored = (await other.answer(BOB, start, filter=lazy, timeout=_LONG_MS))["next_batch"]
    await one.put(room.message("again", sender=many[7]))
    again = await one.answer(BOB, restored, filter=lazy, timeout=_LONG_MS)

    for answer in (first, again):
        state = answer["rooms"]["join"][room.room_id]["state"]["events"]
        assert [event["state_key"] for event in state] == [many[7]]
