"""All that clients write, and where they read it again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from tests.system.client import Client, Homeserver, ids, room_path, send_path, timeline_of
from tests.system.key_uploads import CURVE, DeviceKeys

Answer = Any


class Scene:
    """Alice, who writes, with Bob in one room; Carol is elsewhere. `turn` counts the writes."""

    def __init__(self, alice: Client, bob: Client, carol: Client, room_id: str) -> None:
        self.alice = alice
        self.bob = bob
        self.carol = carol
        self.room_id = room_id
        self.path: Final = room_path(room_id)
        self.turn = 0
        self.said: Final[list[str]] = []
        """Bob's messages from before, by event ID."""
        self.last = ""
        """The event, room, filter or the like that was written last."""
        self.since: dict[str, str] = {}
        """Of each user, how far they had read before the write."""

    @property
    def name(self) -> str:
        """Something else with each write."""
        return f"org.example.number{self.turn}"

    @property
    def is_on(self) -> bool:
        """What is switched on and off is on after every second write."""
        return self.turn % 2 == 1

    def data_path(self, kind: str, *, of_room: bool = False) -> str:
        """Return the path of Alice's account data."""
        part = f"/rooms/{quote(self.room_id)}" if of_room else ""
        return f"/user/{quote(self.alice.user_id)}{part}/account_data/{kind}"


Write = Callable[[Scene], Awaitable[None]]
Read = Callable[[Scene, Homeserver], Awaitable[Answer]]
Check = Callable[[Scene, Answer], bool]


def _sync(who: str, *, timeout_ms: int | None = None) -> Read:
    async def read(scene: Scene, at: Homeserver) -> Answer:
        client: Client = getattr(scene, who).through(at)
        if timeout_ms is None:
            return await client.sync()
        return await client.sync(scene.since[who], timeout_ms=timeout_ms)

    return read


def _get(path: str, *, who: str = "alice", **query: str) -> Read:
    async def read(scene: Scene, at: Homeserver) -> Answer:
        client: Client = getattr(scene, who).through(at)
        filled = path.format(room=scene.path, event=quote(scene.last, safe=""), said=scene.said[0])
        return await client.call("GET", filled, query=query or None)

    return read


def _key_changes(who: str) -> Read:
    async def read(scene: Scene, at: Homeserver) -> Answer:
        client: Client = getattr(scene, who).through(at)
        # Where it ends says nothing of what is known: another process may not have that yet.
        now = (await client.sync(scene.since[who]))["next_batch"]
        query = {"from": scene.since[who], "to": now}
        return await client.call("GET", "/keys/changes", query=query)

    return read


def _own(path: str) -> Read:
    async def read(scene: Scene, at: Homeserver) -> Answer:
        del at  # it is read where it is written
        user, room = quote(scene.alice.user_id), quote(scene.room_id)
        return await scene.alice.call("GET", path.format(user=user, room=room))

    return read


READS: Final[dict[str, Read]] = {
    "sync": _sync("alice"),
    "next sync": _sync("alice", timeout_ms=0),
    "long poll": _sync("alice", timeout_ms=20_000),
    "friend's sync": _sync("bob"),
    "friend's next sync": _sync("bob", timeout_ms=0),
    "stranger's sync": _sync("carol"),
    "stranger's next sync": _sync("carol", timeout_ms=0),
    "room": _get("{room}/initialSync"),
    "rooms": _get("/initialSync"),
    "messages": _get("{room}/messages", dir="b"),
    "context": _get("{room}/context/{event}"),
    "event": _get("{room}/event/{event}"),
    "state": _get("{room}/state"),
    "members": _get("{room}/members"),
    "joined members": _get("{room}/joined_members"),
    "joined rooms": _get("/joined_rooms"),
    "key changes": _key_changes("alice"),
    "friend's key changes": _key_changes("bob"),
    "own marker": _own("/user/{user}/rooms/{room}/account_data/m.fully_read"),
    "own data": _own("/user/{user}/account_data/org.example"),
    "own tags": _own("/user/{user}/rooms/{room}/tags"),
    "own rules": _own("/pushrules/"),
    "profile": _own("/profile/{user}"),
    "own backup": _own("/room_keys/version"),
    "own keys in backups": _own("/room_keys/keys?version=1"),
}


def every(*names: str) -> Callable[[Check], dict[str, Check]]:
    """Return how a check of these reads is made."""
    return lambda check: dict.fromkeys(names, check)


_OWN_SYNCS: Final = ("sync", "next sync", "long poll")
_ALL_SYNCS: Final = (*_OWN_SYNCS, "friend's sync", "friend's next sync")
_FRIENDS_SYNCS: Final = ("friend's sync", "friend's next sync")


class Told(NamedTuple):
    """Something that clients write, and what each read has to tell of it."""

    write: Write
    checks: Mapping[str, Check]


def joined(answer: Answer, scene: Scene) -> dict[str, Any]:
    """Return what a sync tells of the room."""
    part: dict[str, Any] = answer["rooms"].get("join", {}).get(scene.room_id, {})
    return part


def data_of(events: Sequence[dict[str, Any]], kind: str) -> Any:
    """Return the content of the last event of a type; None where there is none."""
    found = [event["content"] for event in events if event["type"] == kind]
    return found[-1] if found else None


def _data(answer: Answer, kind: str) -> Any:
    return data_of(answer["account_data"]["events"], kind)


def _room_data(answer: Answer, scene: Scene, kind: str) -> Any:
    return data_of(joined(answer, scene).get("account_data", {}).get("events", []), kind)


def _info(answer: Answer, scene: Scene) -> dict[str, Any]:
    """Return the room in an answer of the older /initialSync."""
    return next(one for one in answer["rooms"] if one["room_id"] == scene.room_id)


def _receipts(answer: Answer, scene: Scene) -> set[tuple[str, str, str, str]]:
    return {
        (event_id, kind, user_id, value.get("thread_id", ""))
        for event in joined(answer, scene).get("ephemeral", {}).get("events", [])
        if event["type"] == "m.receipt"
        for event_id, kinds in event["content"].items()
        for kind, users in kinds.items()
        for user_id, value in users.items()
    }


def _typing(answer: Answer, scene: Scene) -> list[str] | None:
    content = data_of(joined(answer, scene).get("ephemeral", {}).get("events", []), "m.typing")
    return None if content is None else content["user_ids"]


# What clients write.


async def _message(scene: Scene) -> None:
    scene.last = await scene.alice.send(scene.room_id, scene.name)


async def _reply(scene: Scene) -> None:
    content = {
        "msgtype": "m.text",
        "body": scene.name,
        "m.relates_to": {"rel_type": "m.thread", "event_id": scene.said[0]},
    }
    path = send_path(scene.room_id, scene.name)
    scene.last = (await scene.alice.call("PUT", path, content))["event_id"]


async def _redaction(scene: Scene) -> None:
    scene.last = await scene.alice.send(scene.room_id, "in vain")
    await scene.alice.redact(scene.room_id, scene.last)


async def _topic(scene: Scene) -> None:
    scene.last = await scene.alice.set_state(scene.room_id, "m.room.topic", {"topic": scene.name})


async def _name(scene: Scene) -> None:
    path = f"/profile/{quote(scene.alice.user_id)}/displayname"
    await scene.alice.call("PUT", path, {"displayname": scene.name})


async def _invite(scene: Scene) -> None:
    if scene.is_on:
        await scene.alice.invite(scene.room_id, scene.carol.user_id)
    else:
        await scene.alice.remove("kick", scene.room_id, scene.carol.user_id)


async def _membership(scene: Scene) -> None:
    if scene.is_on:
        await scene.carol.join(scene.room_id)
    else:
        await scene.carol.leave(scene.room_id)


async def _creation(scene: Scene) -> None:
    scene.last = await scene.alice.create_room()


async def _forgetting(scene: Scene) -> None:
    scene.last = await scene.alice.create_room()
    await scene.alice.leave(scene.last)
    await scene.alice.call("POST", f"{room_path(scene.last)}/forget", {})


async def _upgrade(scene: Scene) -> None:
    old = await scene.alice.create_room(room_version="11")
    path = f"{room_path(old)}/upgrade"
    upgraded = await scene.alice.call("POST", path, {"new_version": "12"})
    scene.last = upgraded["replacement_room"]


async def _account_data(scene: Scene) -> None:
    await scene.alice.call("PUT", scene.data_path("org.example"), {"name": scene.name})


async def _room_account_data(scene: Scene) -> None:
    path = scene.data_path("org.example", of_room=True)
    await scene.alice.call("PUT", path, {"name": scene.name})


async def _tag(scene: Scene) -> None:
    path = f"/user/{quote(scene.alice.user_id)}/rooms/{quote(scene.room_id)}/tags/u.tea"
    if scene.is_on:
        await scene.alice.call("PUT", path, {"order": 0.5})
    else:
        await scene.alice.call("DELETE", path)


_RULE: Final = "/pushrules/global/content/tea"


async def _rule(scene: Scene) -> None:
    if scene.is_on:
        await scene.alice.call("PUT", _RULE, {"actions": ["notify"], "pattern": "tea"})
    else:
        await scene.alice.call("DELETE", _RULE)


async def _rule_enabled(scene: Scene) -> None:
    if scene.turn == 1:
        await scene.alice.call("PUT", _RULE, {"actions": ["notify"], "pattern": "tea"})
    await scene.alice.call("PUT", f"{_RULE}/enabled", {"enabled": scene.is_on})


async def _rule_actions(scene: Scene) -> None:
    if scene.turn == 1:
        await scene.alice.call("PUT", _RULE, {"actions": ["notify"], "pattern": "tea"})
    sound = {"set_tweak": "sound", "value": scene.name}
    await scene.alice.call("PUT", f"{_RULE}/actions", {"actions": ["notify", sound]})


async def _ignoring(scene: Scene) -> None:
    ignored: dict[str, Any] = {scene.bob.user_id: {}} if scene.is_on else {}
    path = scene.data_path("m.ignored_user_list")
    await scene.alice.call("PUT", path, {"ignored_users": ignored})


def _reading(kind: str, **body: str) -> Write:
    async def write(scene: Scene) -> None:
        scene.last = scene.said[scene.turn]
        path = f"{scene.path}/receipt/{kind}/{quote(scene.last, safe='')}"
        await scene.alice.call("POST", path, body)

    return write


async def _markers(scene: Scene) -> None:
    scene.last = scene.said[scene.turn]
    names = ("m.fully_read", "m.read", "m.read.private")
    body = dict.fromkeys(names, scene.last)
    await scene.alice.call("POST", f"{scene.path}/read_markers", body)


async def _types(scene: Scene) -> None:
    path = f"{scene.path}/typing/{quote(scene.alice.user_id)}"
    body = {"typing": True, "timeout": 30_000} if scene.is_on else {"typing": False}
    await scene.alice.call("PUT", path, body)


async def _to_device(scene: Scene) -> None:
    path = f"/sendToDevice/org.example/told{scene.turn}"
    messages = {scene.alice.user_id: {"*": {"name": scene.name}}}
    await scene.bob.call("PUT", path, {"messages": messages})


async def _backup(scene: Scene) -> None:
    body = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {}}
    if scene.turn % 4:
        made = await scene.alice.call("POST", "/room_keys/version", body)
        scene.last = made["version"]
    else:
        await scene.alice.call("DELETE", f"/room_keys/version/{scene.last}")
        scene.last = str(int(scene.last) - 1)


async def _key_in_backup(scene: Scene) -> None:
    if scene.turn == 1:
        await _backup(scene)
    path = f"/room_keys/keys/{quote(scene.room_id)}/session?version=1"
    if scene.is_on:
        numbers = {"first_message_index": 0, "forwarded_count": 0, "is_verified": False}
        body = {**numbers, "session_data": {"ciphertext": scene.name}}
        await scene.alice.call("PUT", path, body)
    else:
        await scene.alice.call("DELETE", path)


async def _keys(scene: Scene) -> None:
    await DeviceKeys(scene.alice).upload(1)


# What has to be told of it.


def _has_event(scene: Scene, answer: Answer) -> bool:
    return scene.last in ids(timeline_of(answer, scene.room_id))


def _is_redacted(scene: Scene, answer: Answer) -> bool:
    events = [*timeline_of(answer, scene.room_id)] if "next_batch" in answer else [answer]
    return [one["content"] for one in events if one["event_id"] == scene.last] == [{}]


def _shows_name(scene: Scene, events: Sequence[dict[str, Any]]) -> bool:
    own = [one for one in events if one.get("state_key") == scene.alice.user_id]
    return bool(own) and own[-1]["content"].get("displayname") == scene.name


def _sync_shows_name(scene: Scene, answer: Answer) -> bool:
    part = joined(answer, scene)
    return _shows_name(scene, [*part["state"]["events"], *part["timeline"]["events"]])


def _rules(answer: Answer) -> dict[str, Any] | None:
    """Return the rule for tea, empty if there is none; None where rules are not told."""
    rules = _data(answer, "m.push_rules")
    if rules is None:
        return None
    return next((one for one in rules["global"]["content"] if one["rule_id"] == "tea"), {})


def _hides_friend(scene: Scene, events: Sequence[dict[str, Any]]) -> bool:
    return scene.is_on != any(
        one["sender"] == scene.bob.user_id and one["type"] == "m.room.message" for one in events
    )


def _has_read(kind: str, thread_id: str = "") -> Check:
    def check(scene: Scene, answer: Answer) -> bool:
        receipt = (scene.last, kind, scene.alice.user_id, thread_id)
        return receipt in _receipts(answer, scene)

    return check


def _is_invited(scene: Scene, answer: Answer) -> bool:
    rooms = answer["rooms"]
    return (scene.room_id in rooms.get("invite", {})) == scene.is_on


def _shows_member(scene: Scene, answer: Answer) -> bool:
    membership = "join" if scene.is_on else "leave"
    return (scene.carol.user_id, membership) in {
        (one["state_key"], one["content"]["membership"]) for one in answer["chunk"]
    }


_rows = {
    "message": Told(
        _message,
        every(*_ALL_SYNCS)(_has_event)
        | {
            "room": lambda scene, answer: scene.last in ids(answer["messages"]["chunk"]),
            "rooms": lambda scene, answer: (
                scene.last in ids(_info(answer, scene)["messages"]["chunk"])
            ),
            "messages": lambda scene, answer: scene.last in ids(answer["chunk"]),
            "context": lambda scene, answer: answer["event"]["event_id"] == scene.last,
            "event": lambda scene, answer: answer["event_id"] == scene.last,
        },
    ),
    "reply in a thread": Told(
        _reply,
        every(*_ALL_SYNCS)(_has_event)
        | {"event": lambda scene, one: one["event_id"] == scene.last},
    ),
    "redaction": Told(_redaction, every(*_ALL_SYNCS, "event")(_is_redacted)),
    "state": Told(
        _topic,
        every(*_ALL_SYNCS)(_has_event)
        | {
            "state": lambda scene, answer: scene.last in ids(answer),
            "room": lambda scene, answer: scene.last in ids(answer["state"]),
        },
    ),
    "display name": Told(
        _name,
        every(*_ALL_SYNCS)(_sync_shows_name)
        | {
            "state": lambda scene, answer: _shows_name(
                scene, [one for one in answer if one["type"] == "m.room.member"]
            ),
            "members": lambda scene, answer: _shows_name(scene, answer["chunk"]),
            "joined members": lambda scene, answer: (
                answer["joined"][scene.alice.user_id]["display_name"] == scene.name
            ),
            "profile": lambda scene, answer: answer["displayname"] == scene.name,
        },
    ),
    "invite and kick": Told(_invite, every("stranger's sync", "stranger's next sync")(_is_invited)),
    "join and leave": Told(
        _membership,
        {
            "members": _shows_member,
            "stranger's sync": lambda scene, answer: bool(joined(answer, scene)) == scene.is_on,
            "joined members": lambda scene, answer: (
                (scene.carol.user_id in answer["joined"]) == scene.is_on
            ),
        },
    ),
    "creation": Told(
        _creation,
        every(*_OWN_SYNCS)(lambda scene, answer: scene.last in answer["rooms"]["join"])
        | {"joined rooms": lambda scene, answer: scene.last in answer["joined_rooms"]},
    ),
    "upgrade": Told(
        _upgrade,
        every(*_OWN_SYNCS)(lambda scene, answer: scene.last in answer["rooms"]["join"])
        | {"joined rooms": lambda scene, answer: scene.last in answer["joined_rooms"]},
    ),
    "forgetting": Told(
        _forgetting,
        every("sync")(lambda scene, answer: scene.last not in str(answer["rooms"]))
        | {"joined rooms": lambda scene, answer: scene.last not in answer["joined_rooms"]},
    ),
    "account data": Told(
        _account_data,
        every(*_OWN_SYNCS)(
            lambda scene, answer: _data(answer, "org.example") == {"name": scene.name}
        )
        | {
            "own data": lambda scene, answer: answer == {"name": scene.name},
            "rooms": lambda scene, answer: (
                data_of(answer["account_data"], "org.example") == {"name": scene.name}
            ),
        },
    ),
    "account data of a room": Told(
        _room_account_data,
        every(*_OWN_SYNCS)(
            lambda scene, answer: _room_data(answer, scene, "org.example") == {"name": scene.name}
        )
        | {
            "room": lambda scene, answer: (
                data_of(answer["account_data"], "org.example") == {"name": scene.name}
            )
        },
    ),
    "tag": Told(
        _tag,
        every(*_OWN_SYNCS)(
            lambda scene, answer: (
                ("u.tea" in _room_data(answer, scene, "m.tag")["tags"]) == scene.is_on
            )
        )
        | {"own tags": lambda scene, answer: ("u.tea" in answer["tags"]) == scene.is_on},
    ),
    "push rule": Told(
        _rule, every(*_OWN_SYNCS)(lambda scene, answer: bool(_rules(answer)) == scene.is_on)
    ),
    "push rule on and off": Told(
        _rule_enabled,
        every(*_OWN_SYNCS)(
            lambda scene, answer: (_rules(answer) or {}).get("enabled") == scene.is_on
        ),
    ),
    "actions of a push rule": Told(
        _rule_actions,
        every(*_OWN_SYNCS)(lambda scene, answer: scene.name in str(_rules(answer)))
        | {"own rules": lambda scene, answer: scene.name in str(answer)},
    ),
    "ignore list": Told(
        _ignoring,
        every(*_OWN_SYNCS)(
            lambda scene, answer: (
                (scene.bob.user_id in _data(answer, "m.ignored_user_list")["ignored_users"])
                == scene.is_on
            )
        )
        | {
            "messages": lambda scene, answer: _hides_friend(scene, answer["chunk"]),
            "room": lambda scene, answer: _hides_friend(scene, answer["messages"]["chunk"]),
        },
    ),
    "receipt": Told(_reading("m.read"), every(*_ALL_SYNCS)(_has_read("m.read"))),
    "private receipt": Told(
        _reading("m.read.private"), every(*_OWN_SYNCS)(_has_read("m.read.private"))
    ),
    "receipt of a thread": Told(
        _reading("m.read", thread_id="main"), every(*_ALL_SYNCS)(_has_read("m.read", "main"))
    ),
    "fully-read marker": Told(
        _markers,
        every(*_OWN_SYNCS)(
            lambda scene, answer: (
                _room_data(answer, scene, "m.fully_read") == {"event_id": scene.last}
                and _has_read("m.read.private")(scene, answer)
            )
        )
        | every(*_FRIENDS_SYNCS)(_has_read("m.read"))
        | {"own marker": lambda scene, answer: answer == {"event_id": scene.last}},
    ),
    "backup of keys": Told(
        _backup, {"own backup": lambda scene, answer: answer["version"] == scene.last}
    ),
    "key in a backup": Told(
        _key_in_backup,
        {
            "own backup": lambda scene, answer: answer["count"] == int(scene.is_on),
            "own keys in backups": lambda scene, answer: (scene.name in str(answer)) == scene.is_on,
        },
    ),
    "message to a device": Told(
        _to_device,
        every(*_OWN_SYNCS)(
            lambda scene, answer: (
                data_of(answer["to_device"]["events"], "org.example") == {"name": scene.name}
            )
        ),
    ),
    "keys": Told(
        _keys,
        every("next sync", "long poll", "friend's next sync")(
            lambda scene, answer: scene.alice.user_id in answer["device_lists"]["changed"]
        )
        | every("key changes", "friend's key changes")(
            lambda scene, answer: answer == {"changed": [scene.alice.user_id], "left": []}
        )
        | every("sync")(
            lambda scene, answer: answer["device_one_time_keys_count"] == {CURVE: scene.turn}
        ),
    ),
    "typing": Told(
        _types,
        every("friend's sync")(
            lambda scene, answer: (
                (scene.alice.user_id in (_typing(answer, scene) or [])) == scene.is_on
            )
        )
        | every("friend's next sync", "next sync", "long poll")(
            lambda scene, answer: (
                _typing(answer, scene) == ([scene.alice.user_id] if scene.is_on else [])
            )
        ),
    ),
}
WRITES: Final[Mapping[str, Told]] = _rows


async def scene_of(homeserver: Homeserver, messages: int) -> Scene:
    """Return three users, two of whom share a room with messages."""
    alice, bob, carol = await homeserver.register_all("alice", "bob", "carol")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    scene = Scene(alice, bob, carol, room_id)
    for number in range(messages):
        scene.said.append(await bob.send(room_id, f"No. {number}"))
    return scene


@contextlib.asynccontextmanager
async def load(homeserver: Homeserver, people: int) -> AsyncIterator[None]:
    """Let people elsewhere write all the time, so that all parts of the server are busy."""
    users = await homeserver.register_all(*[f"busy{number}" for number in range(people)])
    room_id = await users[0].create_room(preset="public_chat")
    for user in users[1:]:
        await user.join(room_id)

    async def keep_busy(user: Client) -> None:
        number = 0
        path = f"/user/{quote(user.user_id)}/account_data/org.example"
        while True:
            number += 1
            event_id = await user.send(room_id, f"busy {number}")
            await user.call("PUT", path, {"number": number})
            await user.call("POST", f"{room_path(room_id)}/receipt/m.read/{quote(event_id)}", {})

    tasks = [asyncio.create_task(keep_busy(user)) for user in users]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in failures), failures
