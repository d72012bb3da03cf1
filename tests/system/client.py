"""A small Matrix client for tests: one device of one user, speaking the client-server API."""

import asyncio
import hashlib
import hmac
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import aiohttp
import orjson
import yarl

V3: Final = "/_matrix/client/v3"
PASSWORD: Final = "down the rabbit hole"
Event: TypeAlias = dict[str, Any]
_AGAIN_S: Final = 0.05
_BUSY: Final = frozenset({429, 502, 503, 504})


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, request: str, status: int, body: Any) -> None:
        super().__init__(f"{request}: {status} {body}")
        self.status = status
        self.body = body
        self.errcode: str | None = body.get("errcode") if isinstance(body, dict) else None


class Homeserver:
    """A server as its clients know it: an address, which may change when it starts again."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: Callable[[], str],
        *,
        shared_secret: str = "",
        name_suffix: str = "",
        until_back: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.http = http
        self._url = url
        self._shared_secret = shared_secret
        self._name_suffix = name_suffix
        self._until_back = until_back
        """Awaited when a request was cut off, before it is repeated; without it nothing is."""
        self.cut_off: Counter[str] = Counter()
        """How many requests to each path got no answer."""

    async def once(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        query: dict[str, str] | None = None,
        body: Any = None,
    ) -> tuple[int, Any]:
        """Make one attempt; return the status and the parsed body."""
        url = yarl.URL(self._url() + path, encoded=True)
        if query:
            url = url.with_query(query)
        async with self.http.request(
            method,
            url,
            data=None if body is None else orjson.dumps(body),
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
        ) as response:
            body_read = await response.read()
            # A proxy's own refusals need not be JSON.
            is_json = response.content_type == "application/json"
            return response.status, orjson.loads(body_read) if is_json else body_read.decode()

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        query: dict[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """Return the body of a 200, or raise `Refused`.

        Where the server may be killed, a request that is cut off is repeated until it is answered.
        """
        while True:
            try:
                status, answer = await self.once(method, path, token=token, query=query, body=body)
            except (aiohttp.ClientError, ConnectionError):
                if self._until_back is None:
                    raise
                self.cut_off[path] += 1
                await self._until_back()
                continue
            if status == 200:
                return answer
            if self._until_back is None or status not in _BUSY:
                raise Refused(f"{method} {path}", status, answer)
            await asyncio.sleep(_AGAIN_S)

    async def register(self, name: str) -> "Client":
        """Register with m.login.dummy, in the two steps of interactive authentication."""
        wanted = {"username": name + self._name_suffix, "password": PASSWORD}
        status, asked = await self.once("POST", f"{V3}/register", body=wanted)
        assert status == 401, asked
        assert {"stages": ["m.login.dummy"]} in asked["flows"]
        auth = {"type": "m.login.dummy", "session": asked["session"]}
        return Client(self, await self.call("POST", f"{V3}/register", body=wanted | {"auth": auth}))

    async def register_with_secret(self, name: str, *, admin: bool = False) -> "Client":
        """Register with the secret that the server shares with its operator's tools."""
        path = "/_synapse/admin/v1/register"
        nonce = (await self.call("GET", path))["nonce"]
        name += self._name_suffix
        parts = (nonce, name, PASSWORD, "admin" if admin else "notadmin")
        text = b"\0".join(part.encode() for part in parts)
        mac = hmac.new(self._shared_secret.encode(), text, hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": PASSWORD, "admin": admin, "mac": mac}
        return Client(self, await self.call("POST", path, body=body))

    async def login(self, name: str, **fields: Any) -> "Client":
        """Log a new device in."""
        identifier = {"type": "m.id.user", "user": name + self._name_suffix}
        body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        return Client(self, await self.call("POST", f"{V3}/login", body=body | fields))

    async def register_all(self, *names: str) -> "list[Client]":
        """Register several users at once."""
        return await asyncio.gather(*(self.register_with_secret(name) for name in names))


class Client:
    """A device that is logged in."""

    def __init__(self, homeserver: Homeserver, login: dict[str, Any]) -> None:
        self.homeserver = homeserver
        self.user_id: str = login["user_id"]
        self.device_id: str = login["device_id"]
        self.token: str = login["access_token"]
        self._transactions = map("txn{}".format, itertools.count())

    def through(self, homeserver: Homeserver) -> "Client":
        """Return the same device as it asks elsewhere, such as at a single process of a cluster."""
        names = {"user_id": self.user_id, "device_id": self.device_id}
        return Client(homeserver, names | {"access_token": self.token})

    async def call(
        self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None
    ) -> Any:
        """Make a request as this device; `path` is what follows `/_matrix/client/v3`."""
        return await self.homeserver.call(
            method, f"{V3}{path}", token=self.token, body=body, query=query
        )

    async def refusal(
        self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None
    ) -> tuple[int, str | None]:
        """Make a request that has to be refused; return status and errcode."""
        try:
            answer = await self.call(method, path, body, query)
        except Refused as refused:
            return refused.status, refused.errcode
        raise AssertionError(f"{method} {path} was allowed: {answer}")

    async def create_room(self, **options: Any) -> str:
        """Create a room and return its ID."""
        room_id: str = (await self.call("POST", "/createRoom", options))["room_id"]
        return room_id

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invite a user."""
        await self.call("POST", f"{room_path(room_id)}/invite", {"user_id": user_id})

    async def join(self, room_id: str) -> None:
        """Join a room by its ID."""
        joined = await self.call("POST", f"/join/{quote(room_id, safe='')}", {})
        assert joined["room_id"] == room_id

    async def leave(self, room_id: str) -> None:
        """Leave a room, or reject an invite to it."""
        await self.call("POST", f"{room_path(room_id)}/leave", {})

    async def remove(self, action: str, room_id: str, user_id: str, reason: str = "") -> None:
        """Kick, ban or unban (the action) a user."""
        body = {"user_id": user_id} | ({"reason": reason} if reason else {})
        await self.call("POST", f"{room_path(room_id)}/{action}", body)

    async def send(
        self,
        room_id: str,
        text: str,
        *,
        txn_id: str | None = None,
        event_type: str = "m.room.message",
    ) -> str:
        """Send a text message and return its event ID."""
        path = send_path(room_id, txn_id or next(self._transactions), event_type)
        sent = await self.call("PUT", path, {"msgtype": "m.text", "body": text})
        event_id: str = sent["event_id"]
        return event_id

    async def redact(self, room_id: str, event_id: str, reason: str = "") -> str:
        """Redact an event and return the redaction's ID."""
        path = f"{room_path(room_id)}/redact/{quote(event_id, safe='')}/{next(self._transactions)}"
        redacted: str = (await self.call("PUT", path, {"reason": reason}))["event_id"]
        return redacted

    async def set_state(
        self, room_id: str, event_type: str, content: dict[str, Any], state_key: str = ""
    ) -> str:
        """Set a piece of state and return the event's ID."""
        path = f"{room_path(room_id)}/state/{event_type}/{quote(state_key, safe='')}"
        event_id: str = (await self.call("PUT", path, content))["event_id"]
        return event_id

    async def state(self, room_id: str) -> dict[tuple[str, str], Event]:
        """Return the room's current state by type and state key."""
        events = await self.call("GET", f"{room_path(room_id)}/state")
        return {(event["type"], event["state_key"]): event for event in events}

    async def members(self, room_id: str) -> dict[str, str]:
        """Return the membership of each user as /members tells it."""
        chunk = (await self.call("GET", f"{room_path(room_id)}/members"))["chunk"]
        return {event["state_key"]: event["content"]["membership"] for event in chunk}

    async def event(self, room_id: str, event_id: str) -> Event:
        """Return one event."""
        path = f"{room_path(room_id)}/event/{quote(event_id, safe='')}"
        event: Event = await self.call("GET", path)
        return event

    async def sync(
        self, since: str | None = None, *, timeout_ms: int = 0, sync_filter: Any = None
    ) -> dict[str, Any]:
        """Make one /sync; the filter is an object, or the ID of one that is stored."""
        query = {"timeout": str(timeout_ms)}
        if since is not None:
            query["since"] = since
        if sync_filter is not None:
            is_id = isinstance(sync_filter, str)
            query["filter"] = sync_filter if is_id else orjson.dumps(sync_filter).decode()
        answer: dict[str, Any] = await self.call("GET", "/sync", query=query)
        return answer

    async def sync_until(
        self, since: str, is_told: Callable[[dict[str, Any]], bool], *, sync_filter: Any = None
    ) -> dict[str, Any]:
        """Return the first /sync from this token that tells what is asked for.

        What one client was answered may reach the /sync of others a little later.
        """
        while True:
            answer = await self.sync(since, timeout_ms=30_000, sync_filter=sync_filter)
            if is_told(answer):
                return answer

    async def messages(self, room_id: str, **query: str) -> dict[str, Any]:
        """Return one page of history; `start` stands for `from`."""
        if "start" in query:
            query["from"] = query.pop("start")
        answer: dict[str, Any] = await self.call(
            "GET", f"{room_path(room_id)}/messages", query=query
        )
        return answer

    async def walk(
        self,
        room_id: str,
        *,
        direction: str = "b",
        start: str | None = None,
        to: str | None = None,
        limit: int = 50,
    ) -> list[Event]:
        """Return the room's events in their order, page by page through /messages."""
        query = {"dir": direction, "limit": str(limit)} | ({} if to is None else {"to": to})
        walked: list[Event] = []
        while True:
            page = await self.messages(room_id, **query, **({"start": start} if start else {}))
            walked.extend(page["chunk"])
            start = page.get("end")
            if start is None:
                return walked if direction == "f" else walked[::-1]


def room_path(room_id: str) -> str:
    """Return the start of the paths of a room."""
    return f"/rooms/{quote(room_id, safe='')}"


def send_path(room_id: str, txn_id: str, event_type: str = "m.room.message") -> str:
    """Return the path to which an event is sent."""
    return f"{room_path(room_id)}/send/{event_type}/{quote(txn_id, safe='')}"


def timeline_of(answer: dict[str, Any], room_id: str, section: str = "join") -> list[Event]:
    """Return the timeline of a room in an answer of /sync; empty if it is not in there."""
    room = answer.get("rooms", {}).get(section, {}).get(room_id, {})
    events: list[Event] = room.get("timeline", {}).get("events", [])
    return events


def is_told(room_id: str, event_id: str) -> Callable[[dict[str, Any]], bool]:
    """Return the question whether an answer of /sync has this event in its timeline."""
    return lambda answer: event_id in ids(timeline_of(answer, room_id))


def ids(events: list[Event]) -> list[str]:
    """Return the IDs of events."""
    return [event["event_id"] for event in events]


def texts(events: list[Event]) -> list[str]:
    """Return the texts of the messages among events."""
    return [
        event["content"]["body"]
        for event in events
        if event["type"] == "m.room.message" and "body" in event["content"]
    ]
