"""The story of a conversation: what clients do to each other and what each sees of it."""

from typing import Any

import pytest

from tests.system.client import Client, Homeserver, ids, is_told, room_path, texts, timeline_of
from tests.system.follower import follower_of, following


def joined_room(answer: dict[str, Any], room_id: str) -> dict[str, Any]:
    room: dict[str, Any] = answer["rooms"]["join"][room_id]
    return room


async def shared_room(*users: Client, **options: Any) -> str:
    """Let the first user create a public room which the others join."""
    room_id = await users[0].create_room(**({"preset": "public_chat"} | options))
    for user in users[1:]:
        await user.join(room_id)
    return room_id


async def test_two_users_meet_and_talk(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register("alice"), await homeserver.register_with_secret("bob")
    room_id = await alice.create_room(preset="private_chat", name="Tea", topic="Riddles")
    since = (await bob.sync())["next_batch"]

    await alice.invite(room_id, bob.user_id)
    told = await bob.sync_until(since, lambda answer: "invite" in answer.get("rooms", {}))
    invited = told["rooms"]["invite"][room_id]["invite_state"]["events"]
    await bob.join(room_id)
    first = await alice.send(room_id, "Why is a raven like a writing-desk?")
    second = await bob.send(room_id, "I give it up")

    assert ("m.room.member", bob.user_id, "invite") in [
        (event["type"], event["state_key"], event["content"].get("membership")) for event in invited
    ]
    assert {"m.room.create", "m.room.name", "m.room.join_rules"} <= {
        event["type"] for event in invited
    }
    for user in (alice, bob):
        events = timeline_of(await user.sync(), room_id)
        assert ids(events)[-2:] == [first, second]
        assert [event["sender"] for event in events[-2:]] == [alice.user_id, bob.user_id]


async def test_messages_wake_those_who_wait_for_them(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)
    follower = await follower_of(bob)

    async with following(follower):
        event_id = await alice.send(room_id, "Wake up, Dormouse")
        await follower.until_seen(room_id, [event_id])

    assert texts(follower.rooms[room_id]) == ["Wake up, Dormouse"]


@pytest.mark.parametrize(
    ("preset", "join_rule", "guests", "bob_power"),
    [
        ("private_chat", "invite", "can_join", 0),
        ("trusted_private_chat", "invite", "can_join", 100),
        ("public_chat", "public", "forbidden", 0),
    ],
)
async def test_a_preset_decides_the_rules_of_a_room(
    homeserver: Homeserver, preset: str, join_rule: str, guests: str, bob_power: int
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")

    room_id = await alice.create_room(preset=preset, invite=[bob.user_id])

    state = await alice.state(room_id)
    assert state["m.room.create", ""]["content"]["room_version"] == "12"
    assert state["m.room.join_rules", ""]["content"]["join_rule"] == join_rule
    assert state["m.room.guest_access", ""]["content"]["guest_access"] == guests
    assert state["m.room.history_visibility", ""]["content"]["history_visibility"] == "shared"
    assert state["m.room.member", bob.user_id]["content"]["membership"] == "invite"
    create = state["m.room.create", ""]["content"]
    powers = state["m.room.power_levels", ""]["content"].get("users", {})
    is_creator = bob.user_id in create.get("additional_creators", [])
    assert (100 if is_creator else powers.get(bob.user_id, 0)) == bob_power


async def test_a_room_is_created_with_all_that_was_asked_for(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")

    room_id = await alice.create_room(
        preset="public_chat",
        room_version="11",
        name="Croquet",
        topic="With flamingos",
        room_alias_name="croquet",
        invite=[bob.user_id],
        is_direct=True,
        creation_content={"m.federate": False},
        initial_state=[{"type": "org.example.lawn", "state_key": "", "content": {"hoops": 6}}],
        power_level_content_override={"events_default": 7},
    )

    state = await alice.state(room_id)
    assert state["m.room.create", ""]["content"]["room_version"] == "11"
    assert state["m.room.create", ""]["content"]["m.federate"] is False
    assert state["m.room.name", ""]["content"]["name"] == "Croquet"
    assert state["m.room.topic", ""]["content"]["topic"] == "With flamingos"
    assert state["m.room.canonical_alias", ""]["content"]["alias"] == "#croquet:localhost"
    assert state["m.room.member", bob.user_id]["content"]["is_direct"] is True
    assert state["org.example.lawn", ""]["content"] == {"hoops": 6}
    assert state["m.room.power_levels", ""]["content"]["events_default"] == 7
    resolved = await bob.call("GET", "/directory/room/%23croquet%3Alocalhost")
    assert resolved["room_id"] == room_id
    joined = await bob.call("POST", "/join/%23croquet%3Alocalhost", {})
    assert joined == {"room_id": room_id}


async def test_users_find_those_whom_they_can_meet(homeserver: Homeserver) -> None:
    alice, bob, charlie = await homeserver.register_all("alice", "bob", "charlie")
    await shared_room(alice, bob)

    async def found(searcher: Client, other: Client) -> list[str]:
        search = {"search_term": other.user_id}
        answer = await searcher.call("POST", "/user_directory/search", search)
        return [one["user_id"] for one in answer["results"]]

    assert await found(alice, bob) == [bob.user_id]
    assert await found(alice, alice) == []
    assert await found(alice, charlie) == []


async def test_a_state_change_reaches_everybody(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)
    since = (await bob.sync())["next_batch"]

    event_id = await alice.set_state(room_id, "m.room.topic", {"topic": "Tarts"})

    (seen,) = timeline_of(await bob.sync_until(since, is_told(room_id, event_id)), room_id)
    assert (seen["event_id"], seen["state_key"]) == (event_id, "")
    path = f"{room_path(room_id)}/state/m.room.topic"
    assert await bob.call("GET", path) == {"topic": "Tarts"}
    assert await bob.call("GET", f"{path}/") == {"topic": "Tarts"}


async def test_state_needs_the_power_to_set_it(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)
    path = f"{room_path(room_id)}/state/m.room.topic"

    refused = await bob.refusal("PUT", path, {"topic": "Stolen tarts"})

    assert refused == (403, "M_FORBIDDEN")
    assert await alice.refusal("GET", path) == (404, "M_NOT_FOUND")


async def test_a_redaction_takes_the_content_away_for_all(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)
    event_id = await alice.send(room_id, "Off with their heads!")
    since = (await bob.sync())["next_batch"]

    redaction_id = await alice.redact(room_id, event_id, "Too harsh")

    (seen,) = timeline_of(await bob.sync_until(since, is_told(room_id, redaction_id)), room_id)
    assert (seen["event_id"], seen["type"]) == (redaction_id, "m.room.redaction")
    assert seen["content"]["reason"] == "Too harsh"
    for redacted in (await bob.event(room_id, event_id), (await bob.walk(room_id))[-2]):
        assert redacted["event_id"] == event_id
        assert redacted["content"] == {}
        assert redacted["unsigned"]["redacted_because"]["event_id"] == redaction_id


async def test_others_messages_can_be_redacted_only_with_power(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)
    of_alice = await alice.send(room_id, "Mine")
    of_bob = await bob.send(room_id, "His")

    refused = await bob.refusal("PUT", f"{room_path(room_id)}/redact/{of_alice}/1", {})
    await alice.redact(room_id, of_bob)

    assert refused == (403, "M_FORBIDDEN")
    assert (await bob.event(room_id, of_alice))["content"]["body"] == "Mine"
    assert (await bob.event(room_id, of_bob))["content"] == {}


async def test_a_new_profile_shows_in_every_room(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    rooms = [await shared_room(alice, bob) for _ in range(2)]
    follower = await follower_of(bob)
    profile = f"/profile/{alice.user_id}"

    async with following(follower):
        await alice.call("PUT", f"{profile}/displayname", {"displayname": "Alice L."})
        await alice.call("PUT", f"{profile}/avatar_url", {"avatar_url": "mxc://localhost/a"})
        await follower.until(
            lambda: all(len(follower.rooms.get(room_id, [])) >= 2 for room_id in rooms)
        )

    for room_id in rooms:
        first, second = follower.rooms[room_id]
        assert first["content"]["displayname"] == "Alice L."
        assert second["content"] == {
            "membership": "join",
            "displayname": "Alice L.",
            "avatar_url": "mxc://localhost/a",
        }
        assert second["unsigned"]["prev_content"] == first["content"]
    found = await bob.call("GET", profile)
    assert (found["displayname"], found["avatar_url"]) == ("Alice L.", "mxc://localhost/a")


async def test_who_leaves_hears_no_more(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)
    since = (await bob.sync())["next_batch"]

    await bob.leave(room_id)
    await alice.send(room_id, "Now that he has gone")

    answer = await bob.sync_until(since, lambda answer: "leave" in answer.get("rooms", {}))
    left = timeline_of(answer, room_id, "leave")
    assert [event["content"]["membership"] for event in left] == ["leave"]
    assert room_id not in answer["rooms"].get("join", {})
    assert (await alice.members(room_id))[bob.user_id] == "leave"
    refused = await bob.refusal("PUT", f"{room_path(room_id)}/send/m.room.message/9", {"body": "?"})
    assert refused == (403, "M_FORBIDDEN")
    later = await bob.sync(answer["next_batch"])
    assert room_id not in later.get("rooms", {}).get("leave", {})


async def test_an_invite_can_be_rejected(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(invite=[bob.user_id])
    invited = await bob.sync()

    await bob.leave(room_id)

    answer = await bob.sync_until(
        invited["next_batch"], lambda answer: "leave" in answer.get("rooms", {})
    )
    assert room_id in invited["rooms"]["invite"]
    assert room_id in answer["rooms"]["leave"]
    assert (await bob.refusal("POST", f"/join/{room_id}", {}))[1] == "M_FORBIDDEN"


async def test_a_kicked_user_may_come_back_and_a_banned_one_may_not(
    homeserver: Homeserver,
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)

    await alice.remove("kick", room_id, bob.user_id, "Growing without leave")
    kicked = (await alice.state(room_id))["m.room.member", bob.user_id]
    await bob.join(room_id)
    await alice.remove("ban", room_id, bob.user_id)
    banned = await bob.refusal("POST", f"/join/{room_id}", {})
    await alice.remove("unban", room_id, bob.user_id)
    await bob.join(room_id)

    assert kicked["content"]["membership"] == "leave"
    assert kicked["content"]["reason"] == "Growing without leave"
    assert banned == (403, "M_FORBIDDEN")
    assert (await alice.members(room_id))[bob.user_id] == "join"


@pytest.mark.parametrize("action", ["kick", "ban", "unban"])
async def test_removing_others_needs_power(homeserver: Homeserver, action: str) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)

    body = {"user_id": alice.user_id}
    refused = await bob.refusal("POST", f"{room_path(room_id)}/{action}", body)

    assert refused == (403, "M_FORBIDDEN")
    assert (await alice.members(room_id))[alice.user_id] == "join"


async def test_a_private_room_is_closed_to_strangers(homeserver: Homeserver) -> None:
    alice, mallory = await homeserver.register_all("alice", "mallory")
    room_id = await alice.create_room(preset="private_chat")
    event_id = await alice.send(room_id, "A secret")
    room = room_path(room_id)

    for method, path, body in (
        ("POST", f"{room}/join", {}),
        ("PUT", f"{room}/send/m.room.message/1", {"body": "Hello"}),
        ("GET", f"{room}/messages?dir=b", None),
        ("GET", f"{room}/members", None),
        ("GET", f"{room}/state", None),
        ("POST", f"{room}/invite", {"user_id": mallory.user_id}),
    ):
        assert await mallory.refusal(method, path, body) == (403, "M_FORBIDDEN"), path
    assert await mallory.refusal("GET", f"{room}/event/{event_id}") == (404, "M_NOT_FOUND")
    assert not (await mallory.sync()).get("rooms", {}).get("join")


async def test_a_limited_timeline_is_completed_from_its_gap(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)
    since = (await bob.sync())["next_batch"]
    sent = [await alice.send(room_id, f"Verse {number}") for number in range(12)]

    limited = await bob.sync_until(
        since, is_told(room_id, sent[-1]), sync_filter={"room": {"timeline": {"limit": 3}}}
    )
    timeline = joined_room(limited, room_id)["timeline"]
    gap = await bob.walk(room_id, start=timeline["prev_batch"], to=since, limit=4)
    whole = await bob.sync(since, sync_filter={"room": {"timeline": {"limit": 12}}})

    assert timeline["limited"] is True
    assert ids(timeline["events"]) == sent[-3:]
    assert ids(gap) == sent[:-3]
    assert joined_room(whole, room_id)["timeline"]["limited"] is False
    assert ids(timeline_of(whole, room_id)) == sent


async def test_state_that_a_gap_hides_comes_in_the_state_section(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice, bob)
    since = (await bob.sync())["next_batch"]
    topic_id = await alice.set_state(room_id, "m.room.topic", {"topic": "Hidden"})
    sent = [await alice.send(room_id, f"Verse {number}") for number in range(3)]

    limited = await bob.sync_until(
        since, is_told(room_id, sent[-1]), sync_filter={"room": {"timeline": {"limit": 2}}}
    )

    assert ids(joined_room(limited, room_id)["state"]["events"]) == [topic_id]


async def test_a_filter_chooses_what_a_client_sees(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    wanted, other = await shared_room(alice, bob), await shared_room(alice, bob)
    since = (await bob.sync())["next_batch"]
    definition = {
        "room": {
            "rooms": [wanted],
            "timeline": {"types": ["m.room.message"], "not_senders": [bob.user_id]},
        }
    }
    stored = await bob.call("POST", f"/user/{bob.user_id}/filter", definition)
    filter_id = stored["filter_id"]

    event_id = await alice.send(wanted, "Seen")
    await bob.send(wanted, "Of an unwanted sender")
    await alice.set_state(wanted, "m.room.topic", {"topic": "Of an unwanted type"})
    last = await alice.send(other, "In an unwanted room")

    await bob.sync_until(since, is_told(other, last))
    assert await bob.call("GET", f"/user/{bob.user_id}/filter/{filter_id}") == definition
    for sync_filter in (definition, filter_id):
        answer = await bob.sync(since, sync_filter=sync_filter)
        assert list(answer["rooms"]["join"]) == [wanted]
        assert ids(timeline_of(answer, wanted)) == [event_id]


async def test_lazy_members_are_those_who_speak(homeserver: Homeserver) -> None:
    users = await homeserver.register_all(*(f"user{number}" for number in range(9)))
    alice, speaker = users[0], users[-1]
    room_id = await shared_room(*users, name="Tea")
    await speaker.send(room_id, "Only I speak")
    sync_filter = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}

    room = joined_room(await alice.sync(sync_filter=sync_filter), room_id)

    members = {
        event["state_key"] for event in room["state"]["events"] if event["type"] == "m.room.member"
    }
    heroes = set(room["summary"].get("m.heroes", []))
    assert members - heroes - {alice.user_id} == {speaker.user_id} - heroes
    assert len(heroes) <= 5
    assert room["summary"]["m.joined_member_count"] == len(users)


async def test_history_can_be_read_in_both_directions(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await shared_room(alice)
    sent = [await alice.send(room_id, f"Verse {number}") for number in range(7)]
    await bob.join(room_id)

    backwards = await bob.walk(room_id, limit=3)
    forwards = await bob.walk(room_id, direction="f", limit=3)

    assert ids(backwards) == ids(forwards)
    assert ids(backwards)[-8:-1] == sent
    assert backwards[0]["type"] == "m.room.create"
    assert backwards[-1]["content"]["membership"] == "join"


async def test_an_event_is_shown_with_its_surroundings(homeserver: Homeserver) -> None:
    (alice,) = await homeserver.register_all("alice")
    room_id = await shared_room(alice)
    sent = [await alice.send(room_id, f"Verse {number}") for number in range(5)]

    path = f"{room_path(room_id)}/context/{sent[2]}"
    around = await alice.call("GET", path, query={"limit": "4"})

    assert around["event"]["event_id"] == sent[2]
    assert ids(around["events_before"]) == [sent[1], sent[0]]
    assert ids(around["events_after"]) == sent[3:]


async def test_a_device_that_logs_out_is_not_known_any_more(homeserver: Homeserver) -> None:
    await homeserver.register("alice")
    phone, laptop = await homeserver.login("alice"), await homeserver.login("alice")
    whoami = await phone.call("GET", "/account/whoami")

    await phone.call("POST", "/logout", {})

    assert (whoami["user_id"], whoami["device_id"]) == (phone.user_id, phone.device_id)
    assert await phone.refusal("GET", "/sync") == (401, "M_UNKNOWN_TOKEN")
    assert (await laptop.call("GET", "/account/whoami"))["device_id"] == laptop.device_id


async def test_old_clients_find_the_same_under_r0(homeserver: Homeserver) -> None:
    alice = await homeserver.register("alice")
    room_id = await shared_room(alice)

    path = f"/_matrix/client/r0{room_path(room_id)}/send/m.room.message/old"
    sent = await homeserver.call("PUT", path, token=alice.token, body={"body": "From long ago"})
    synced = await homeserver.call("GET", "/_matrix/client/r0/sync", token=alice.token)

    assert ids(timeline_of(synced, room_id))[-1] == sent["event_id"]
    assert ids(timeline_of(await alice.sync(), room_id))[-1] == sent["event_id"]
