"""The keys in backups: the endpoints of all keys, of those of a room, and of one."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

from base.http import Fields, Request, Response, Router, StreamingResponse, json_response
from components.keyserver.backed_up_keys import BackedUpKeys
from components.keyserver.routes.key_backups import FORMER, ROOM_KEYS, parse_version
from components.keyserver.routes.key_pages import KeyPages, encoded_key
from components.keyserver.store.backed_up_keys import PAGE_KEYS, BackedUpKey, KeyPlace
from components.keyserver.store.key_backups import BackupSize
from internalapi.userapi import Requester
from matrix.canonical import MAX_INTEGER, encode_canonical
from matrix.errors import BadJson, InvalidParam
from requesting.requesters import Requesters

_ID_BYTES_MAX: Final = 255


class BackedUpKeyRoutes:
    """The endpoints `/room_keys/keys`."""

    def __init__(self, *, requesters: Requesters, keys: BackedUpKeys) -> None:
        self._requesters = requesters
        self._keys = keys

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        everything = f"{ROOM_KEYS}/keys"
        room = f"{everything}/{{room_id}}"
        session = f"{room}/{{session_id}}"
        for method, path, handler in (
            ("PUT", everything, self._store_all),
            ("PUT", room, self._store_room),
            ("PUT", session, self._store_one),
            ("GET", everything, self._many),
            ("GET", room, self._many),
            ("GET", session, self._one),
            ("DELETE", everything, self._delete),
            ("DELETE", room, self._delete),
            ("DELETE", session, self._delete),
        ):
            answer = self._requesters.by_user(handler, suspended=True, limited=True)
            router.add(method, path, answer, versions=FORMER)

    async def _store_all(self, request: Request, requester: Requester) -> Response:
        keys: list[BackedUpKey] = []
        for room_id, backup in (await request.fields()).json_object("rooms").items():
            if type(backup) is not dict:
                raise BadJson(f"What is given of the room {room_id} is not an object.")
            keys += _keys_of_room(room_id, Fields(backup))
        return await self._store(request, requester, keys)

    async def _store_room(self, request: Request, requester: Requester) -> Response:
        keys = _keys_of_room(request.path["room_id"], await request.fields())
        return await self._store(request, requester, keys)

    async def _store_one(self, request: Request, requester: Requester) -> Response:
        path = request.path
        key = _key(path["room_id"], path["session_id"], await request.json_object())
        return await self._store(request, requester, [key])

    async def _store(
        self, request: Request, requester: Requester, keys: list[BackedUpKey]
    ) -> Response:
        return _size(await self._keys.perform_store(requester.user_id, _version(request), keys))

    async def _delete(self, request: Request, requester: Requester) -> Response:
        return _size(
            await self._keys.perform_delete(requester.user_id, _version(request), _place(request))
        )

    async def _one(self, request: Request, requester: Requester) -> Response:
        key = await self._keys.query_key(requester.user_id, _version(request), _place(request))
        return json_response(encoded_key(key))

    async def _many(self, request: Request, requester: Requester) -> Response | StreamingResponse:
        room_id = _place(request).room_id
        shown = KeyPages(is_of_room=room_id is not None)
        pages = self._keys.query_keys(requester.user_id, _version(request), room_id)
        # What is refused is refused before anything is sent.
        page = await anext(pages)
        first = shown.begin() + shown.more(page)
        if len(page) < PAGE_KEYS:
            await pages.aclose()
            return json_response(first + shown.end())

        async def pieces() -> AsyncGenerator[bytes]:
            yield first
            async with aclosing(pages):
                async for page in pages:
                    yield shown.more(page)
            yield shown.end()

        return StreamingResponse(pieces(), content_type=b"application/json")


def _size(size: BackupSize) -> Response:
    return json_response({"count": size.key_count, "etag": str(size.etag)})


def _version(request: Request) -> int:
    return parse_version(request.query_required("version"))


def _place(request: Request) -> KeyPlace:
    return KeyPlace(request.path.get("room_id"), request.path.get("session_id"))


def _keys_of_room(room_id: str, backup: Fields) -> list[BackedUpKey]:
    return [
        _key(room_id, session_id, data)
        for session_id, data in backup.json_object("sessions").items()
    ]


def _key(room_id: str, session_id: str, data: Mapping[str, Any]) -> BackedUpKey:
    if not room_id.startswith("!"):
        raise InvalidParam(f"{room_id} is not a room ID.")
    if any(len(one.encode()) > _ID_BYTES_MAX or "\0" in one for one in (room_id, session_id)):
        raise InvalidParam("The ID of a room or session has a NUL in it or is too long.")
    if type(data) is not dict:
        raise BadJson(f"The key of the session {session_id} is not an object.")
    fields = Fields(data, f"{session_id}.")
    index, count = fields.integer("first_message_index"), fields.integer("forwarded_count")
    if not (0 <= index <= MAX_INTEGER and 0 <= count <= MAX_INTEGER):
        raise BadJson(f"A number of the key of the session {session_id} is out of range.")
    return BackedUpKey(
        room_id,
        session_id,
        index,
        count,
        fields.boolean("is_verified"),
        encode_canonical(fields.json_object("session_data")),
    )
