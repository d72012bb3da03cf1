"""The Matrix calls of the load generator: requests ready to send, and the set-up's own calls."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import orjson

from bench.http import Address, Answer, Connection, build_request

ROOM_VERSION = "11"
"""Pinned, so that servers with different defaults are measured doing the same work."""

AT_ONCE = 20
"""How many requests the set-up and the checks keep under way."""

CLIENT = "/_matrix/client/v3"
PASSWORD = "correct horse battery staple"


Item = TypeVar("Item")
Result = TypeVar("Result")


class UnexpectedAnswerError(Exception):
    """A call of the set-up or of the checks was not answered 200."""


@dataclass(frozen=True, slots=True)
class User:
    """An account of the load generator, logged in."""

    user_id: str
    token: str
    device_id: str


def room_path(room_id: str, rest: str) -> str:
    """Return the path of a resource in a room."""
    return f"{CLIENT}/rooms/{quote(room_id, safe='')}/{rest}"


def message_request(user: User, room_id: str, number: int) -> bytes:
    """Return the request that sends message `number`; its transaction ID is the number."""
    text = f"Message {number} of {user.user_id}: the quick brown fox jumps over the lazy dog."
    body = orjson.dumps({"msgtype": "m.text", "body": text, "bench_n": number})
    path = room_path(room_id, f"send/m.room.message/bench{number}")
    return build_request("PUT", path, token=user.token, body=body)


def join_request(user: User, room_id: str) -> bytes:
    """Return the request that joins a public room."""
    return build_request("POST", room_path(room_id, "join"), token=user.token, body=b"{}")


def messages_path(room_id: str, *, start: str | None, limit: int) -> str:
    """Return the path of a page of history backwards, from the end when there is no start."""
    query = {"dir": "b", "limit": str(limit)} | ({} if start is None else {"from": start})
    return room_path(room_id, f"messages?{urlencode(query)}")


def sync_path(
    *, since: str | None = None, timeout_ms: int = 0, sync_filter: str | None = None
) -> str:
    """Return the path of a sync; the filter is an ID or JSON."""
    query = {"timeout": str(timeout_ms)}
    if since is not None:
        query["since"] = since
    if sync_filter is not None:
        query["filter"] = sync_filter
    return f"{CLIENT}/sync?{urlencode(query)}"


def timeline_filter(limit: int, *, lazy: bool = False) -> str:
    """Return the JSON of a filter with this timeline limit, optionally lazy-loading members."""
    room: dict[str, Any] = {"timeline": {"limit": limit}}
    if lazy:
        room["state"] = {"lazy_load_members": True}
    return orjson.dumps({"room": room}).decode()


def token_in(body: bytes, key: bytes) -> str | None:
    """Return the string under a key of an answer without parsing the rest of it.

    Takes the key's first occurrence, wherever it is: for keys that no event of ours holds.
    """
    at = body.find(b'"' + key + b'"')
    start = body.find(b'"', body.find(b":", at)) if at >= 0 else -1
    end = body.find(b'"', start + 1) if start >= 0 else -1
    if end < 0:
        return None
    return str(orjson.loads(body[start : end + 1]))


class Client:
    """Makes calls outside the timed phases over a few shared connections.

    A call that is not answered 200 raises: the set-up has to be whole.
    """

    def __init__(self, address: Address, shared_secret: str) -> None:
        self.address = address
        self._shared_secret = shared_secret
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._connections = [Connection(address) for _ in range(AT_ONCE)]
        for connection in self._connections:
            self._idle.put_nowait(connection)

    def close(self) -> None:
        """Drop the connections."""
        for connection in self._connections:
            connection.close()

    async def answer(self, request: bytes) -> Answer:
        """Send a ready request over a free connection; raise unless it is answered 200."""
        connection = await self._idle.get()
        try:
            answer = await connection.request(request, timeout_s=180.0)
        finally:
            self._idle.put_nowait(connection)
        if not answer.ok:
            line = request.partition(b"\r\n")[0].decode()
            raise UnexpectedAnswerError(f"{line}: {answer.status} {answer.body[:300]!r}")
        return answer

    async def call(
        self, method: str, path: str, user: User | None = None, body: object = None
    ) -> dict[str, Any]:
        """Make a call and return the JSON object that it is answered with."""
        content = None if body is None else orjson.dumps(body)
        token = None if user is None else user.token
        answer = await self.answer(build_request(method, path, token=token, body=content))
        parsed: dict[str, Any] = orjson.loads(answer.body)
        return parsed

    async def register(self, name: str) -> User:
        """Create an account through the shared secret and return it logged in."""
        path = "/_synapse/admin/v1/register"
        nonce = (await self.call("GET", path))["nonce"]
        signed = b"\x00".join(part.encode() for part in (nonce, name, PASSWORD, "notadmin"))
        mac = hmac.new(self._shared_secret.encode(), signed, hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": PASSWORD, "admin": False, "mac": mac}
        made = await self.call("POST", path, body=body)
        return User(made["user_id"], made["access_token"], made["device_id"])

    async def register_many(self, prefix: str, count: int) -> list[User]:
        """Create this many accounts, several at once, and return them in the order of names."""
        names = [f"{prefix}{number}" for number in range(count)]
        return await gather_in_order(self.register, names)

    async def log_in(self, user: User) -> User:
        """Return the same account on a new device."""
        identifier = {"type": "m.id.user", "user": user.user_id}
        body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        made = await self.call("POST", f"{CLIENT}/login", body=body)
        return User(made["user_id"], made["access_token"], made["device_id"])

    async def create_room(self, user: User, *, name: str = "bench") -> str:
        """Create a public room and return its ID."""
        body = {"preset": "public_chat", "name": name, "room_version": ROOM_VERSION}
        made = await self.call("POST", f"{CLIENT}/createRoom", user, body)
        return str(made["room_id"])

    async def join(self, room_id: str, users: Sequence[User]) -> None:
        """Let users join a public room, several at once."""
        await gather_in_order(self.answer, [join_request(user, room_id) for user in users])

    async def send(self, user: User, room_id: str, number: int) -> str:
        """Send a message and return its event ID."""
        answer = await self.answer(message_request(user, room_id, number))
        return str(orjson.loads(answer.body)["event_id"])

    async def store_filter(self, user: User, sync_filter: str) -> str:
        """Store a filter for a user and return its ID."""
        path = f"{CLIENT}/user/{quote(user.user_id, safe='')}/filter"
        return str((await self.call("POST", path, user, orjson.loads(sync_filter)))["filter_id"])


async def gather_in_order(
    call: Callable[[Item], Awaitable[Result]], items: Iterable[Item]
) -> list[Result]:
    """Make the call for every item, a few at once, and return the results in order."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(item: Item) -> Result:
        async with free:
            return await call(item)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in items]
    return [task.result() for task in tasks]


@asynccontextmanager
async def open_connections(address: Address, count: int) -> AsyncIterator[list[Connection]]:
    """Hold this many connections open, so that no timed request has to open one."""
    connections = [Connection(address) for _ in range(count)]
    try:
        await gather_in_order(Connection.open, connections)
        yield connections
    finally:
        for connection in connections:
            connection.close()
