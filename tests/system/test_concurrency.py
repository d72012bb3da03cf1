"""Many clients at once: one order for all, each event once, transactions kept apart."""

import asyncio
import random
from collections import Counter

from tests.system.client import Client, Event, Homeserver, Refused, ids, room_path, texts
from tests.system.follower import Follower, follower_of, following

SENDERS = 20
MESSAGES = 15


async def public_room(owner: Client, *others: Client) -> str:
    """Let the owner create a room which the others join."""
    room_id = await owner.create_room(preset="public_chat")
    await asyncio.gather(*(other.join(room_id) for other in others))
    return room_id


async def send_all(sender: Client, room_id: str) -> list[str]:
    """Send one message after the other; the transaction IDs are the same for all senders."""
    return [
        await sender.send(room_id, f"{sender.user_id} {number}", txn_id=f"m{number}")
        for number in range(MESSAGES)
    ]


def transactions_of(events: list[Event]) -> dict[str, str]:
    """Return the transaction IDs that events show, by event ID."""
    return {
        event["event_id"]: event["unsigned"]["transaction_id"]
        for event in events
        if "transaction_id" in event.get("unsigned", {})
    }


def is_ordered_part(part: list[str], whole: list[str]) -> bool:
    """Tell whether `part` occurs in `whole` in this order."""
    rest = iter(whole)
    return all(one in rest for one in part)


async def test_twenty_senders_are_seen_by_all_in_one_order(homeserver: Homeserver) -> None:
    users = await homeserver.register_all(*(f"user{number}" for number in range(SENDERS)))
    room_id = await public_room(*users)
    second_device = await homeserver.login("user0")
    followers = [await follower_of(client) for client in (*users, second_device)]

    async with following(*followers):
        answered = await asyncio.gather(*(send_all(user, room_id) for user in users))
        sent = {event_id for of_one in answered for event_id in of_one}
        await asyncio.gather(*(follower.until_seen(room_id, sent) for follower in followers))

    first, *others = [ids(follower.rooms[room_id]) for follower in followers]
    assert len(sent) == SENDERS * MESSAGES
    assert Counter(first) == Counter(sent)
    assert all(other == first for other in others)
    assert ids(await users[0].walk(room_id))[-len(first) :] == first
    assert ids(await users[0].walk(room_id, direction="f"))[-len(first) :] == first
    for of_one in answered:
        assert is_ordered_part(of_one, first)
    for follower, of_one in zip(followers, [*answered, []], strict=True):
        own = {event_id: f"m{number}" for number, event_id in enumerate(of_one)}
        assert transactions_of(follower.rooms[room_id]) == own


async def test_history_shows_transaction_ids_to_the_sending_device_alone(
    homeserver: Homeserver,
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    laptop = await homeserver.login("alice")
    room_id = await public_room(alice, bob)

    event_id = await alice.send(room_id, "Hello", txn_id="mine")

    for client, shown in ((alice, {event_id: "mine"}), (laptop, {}), (bob, {})):
        initial = (await client.sync())["rooms"]["join"][room_id]["timeline"]["events"]
        assert transactions_of(initial) == shown
        assert transactions_of(await client.walk(room_id)) == shown
        assert transactions_of([await client.event(room_id, event_id)]) == shown


async def test_one_transaction_sent_many_times_at_once_is_one_event(
    homeserver: Homeserver,
) -> None:
    (alice,) = await homeserver.register_all("alice")
    room_id = await public_room(alice)

    for number in range(10):
        answers = await asyncio.gather(
            *(alice.send(room_id, f"Message {number}", txn_id=f"m{number}") for _ in range(4))
        )
        assert len(set(answers)) == 1

    assert texts(await alice.walk(room_id)) == [f"Message {number}" for number in range(10)]


async def test_a_transaction_belongs_to_its_device_and_its_endpoint(
    homeserver: Homeserver,
) -> None:
    (alice,) = await homeserver.register_all("alice")
    laptop = await homeserver.login("alice")
    first, second = await public_room(alice), await public_room(alice)

    sent = await asyncio.gather(
        alice.send(first, "From the phone", txn_id="same"),
        laptop.send(first, "From the laptop", txn_id="same"),
        alice.send(second, "In another room", txn_id="same"),
        alice.send(first, "Of another type", txn_id="same", event_type="org.example.other"),
    )

    assert len(set(sent)) == len(sent)
    assert sorted(texts(await alice.walk(first))) == ["From the laptop", "From the phone"]
    assert texts(await alice.walk(second)) == ["In another room"]


async def test_a_redaction_that_is_repeated_redacts_once(homeserver: Homeserver) -> None:
    (alice,) = await homeserver.register_all("alice")
    room_id = await public_room(alice)
    event_id = await alice.send(room_id, "Off with her head!")
    path = f"{room_path(room_id)}/redact/{event_id}/once"

    answers = await asyncio.gather(*(alice.call("PUT", path, {}) for _ in range(4)))

    assert len({answer["event_id"] for answer in answers}) == 1
    redactions = [
        event for event in await alice.walk(room_id) if event["type"] == "m.room.redaction"
    ]
    assert ids(redactions) == [answers[0]["event_id"]]


async def come_and_go(client: Client, room_id: str, random_source: random.Random) -> None:
    """Join and leave without waiting for one before the other; both may be refused."""

    async def attempt(action: str) -> None:
        try:
            await client.call("POST", f"{room_path(room_id)}/{action}", {})
        except Refused as refused:
            if refused.errcode != "M_FORBIDDEN":
                raise

    for _ in range(6):
        actions = ["join", "leave", "join"]
        random_source.shuffle(actions)
        await asyncio.gather(*map(attempt, actions))


def memberships_in(events: list[Event]) -> dict[str, str]:
    """Return each user's membership after the member events of a timeline."""
    return {
        event["state_key"]: event["content"]["membership"]
        for event in events
        if event["type"] == "m.room.member"
    }


async def test_joins_and_leaves_that_race_leave_a_valid_room(homeserver: Homeserver) -> None:
    random_source = random.Random(20_401)
    alice, *others = await homeserver.register_all(*(f"user{number}" for number in range(11)))
    room_id = await public_room(alice)
    follower = await follower_of(alice)

    async with following(follower):
        await asyncio.gather(
            send_all(alice, room_id),
            *(come_and_go(other, room_id, random_source) for other in others),
        )
        last = await alice.send(room_id, "Everybody has come and gone")
        await follower.until_seen(room_id, [last])

    history = await alice.walk(room_id)
    seen = ids(follower.rooms[room_id])
    members = await alice.members(room_id)
    state = await alice.state(room_id)
    assert len(set(seen)) == len(seen)
    assert ids(history)[-len(seen) :] == seen
    assert members == memberships_in(history)
    assert members == {
        key: event["content"]["membership"]
        for (event_type, key), event in state.items()
        if event_type == "m.room.member"
    }
    for other in others:
        joined = (await other.call("GET", "/joined_rooms"))["joined_rooms"]
        assert joined == ([room_id] if members[other.user_id] == "join" else [])


async def test_joins_at_once_are_all_seen(homeserver: Homeserver) -> None:
    alice, *others = await homeserver.register_all(*(f"user{number}" for number in range(25)))
    room_id = await alice.create_room(preset="public_chat")
    follower = await follower_of(alice)

    async with following(follower):
        await asyncio.gather(*(other.join(room_id) for other in others))
        await follower.until(lambda: len(follower.rooms.get(room_id, [])) >= len(others))

    joins = [event["state_key"] for event in follower.rooms[room_id]]
    assert sorted(joins) == sorted(other.user_id for other in others)
    assert set((await others[0].members(room_id)).values()) == {"join"}


async def test_two_syncs_of_one_device_agree(homeserver: Homeserver) -> None:
    users = await homeserver.register_all(*(f"user{number}" for number in range(6)))
    room_id = await public_room(*users)
    since = (await users[0].sync())["next_batch"]
    twins = [Follower(users[0], since), Follower(users[0], since)]

    async with following(*twins):
        answered = await asyncio.gather(*(send_all(user, room_id) for user in users))
        sent = {event_id for of_one in answered for event_id in of_one}
        await asyncio.gather(*(twin.until_seen(room_id, sent) for twin in twins))
    at_rest = await asyncio.gather(*(users[0].sync(since) for _ in range(4)))

    assert ids(twins[0].rooms[room_id]) == ids(twins[1].rooms[room_id])
    assert Counter(ids(twins[0].rooms[room_id])) == Counter(sent)
    timelines = [answer["rooms"]["join"][room_id]["timeline"] for answer in at_rest]
    assert all(ids(one["events"]) == ids(timelines[0]["events"]) for one in timelines)
    late = Follower(users[0], since)
    await late.catch_up()
    assert ids(late.rooms[room_id]) == ids(twins[0].rooms[room_id])


async def test_rooms_at_once_do_not_mix(homeserver: Homeserver) -> None:
    users = await homeserver.register_all(*(f"user{number}" for number in range(5)))
    rooms = await asyncio.gather(*(public_room(*users) for _ in range(6)))
    followers = [await follower_of(user) for user in users]

    async with following(*followers):
        sends = [send_all(user, room_id) for user in users for room_id in rooms]
        answered = await asyncio.gather(*sends)
        per_room = {
            room_id: [event_id for of_one in answered[number :: len(rooms)] for event_id in of_one]
            for number, room_id in enumerate(rooms)
        }
        await asyncio.gather(
            *(
                follower.until_seen(room_id, wanted)
                for follower in followers
                for room_id, wanted in per_room.items()
            )
        )

    for room_id, wanted in per_room.items():
        views = [ids(follower.rooms[room_id]) for follower in followers]
        assert Counter(views[0]) == Counter(wanted)
        assert all(view == views[0] for view in views)
