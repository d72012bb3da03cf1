"""Account data: what clients keep for their user, globally and per room."""

from collections.abc import Callable
from typing import Any, Final

from components.userapi.settings import UserApiSettings
from components.userapi.store.user_data import PUSH_RULES, AccountDataStore
from components.userapi.text import checked_name
from internalapi.receipts import FullyReadMarkers
from matrix.canonical import decode_json, encode_canonical
from matrix.errors import BadJson, NotFound, TooLarge
from matrix.identifiers import RoomID, UserID

_FULLY_READ: Final = "m.fully_read"
_OF_THE_SERVER: Final = frozenset({_FULLY_READ, PUSH_RULES})


class ServerManaged(BadJson):
    """The server manages account data of this type: it has endpoints of its own."""

    status = 405


class AccountDataService:
    """Account data of local users; `None` as the room means that it belongs to none."""

    def __init__(
        self, store: AccountDataStore, settings: UserApiSettings, markers: FullyReadMarkers | None
    ) -> None:
        """Take where fully-read markers are asked for, which the receipt server keeps."""
        self._store = store
        self._markers = markers
        self._size_max = settings.account_data_size_max

    async def query_account_data(
        self, *, user_id: UserID, room_id: RoomID | None, data_type: str
    ) -> dict[str, Any] | None:
        """Return the content of a type, of a room or of none; `None` where it was never set."""
        content = await self.find(user_id, room_id, data_type)
        if content is None:
            return None
        value: dict[str, Any] = decode_json(content)
        return value

    async def perform_set_account_data(
        self, *, user_id: UserID, room_id: RoomID | None, data_type: str, content: dict[str, Any]
    ) -> None:
        """Set the content of a type, also of one that only the server sets (`m.fully_read`).

        Durable and announced. Raises `TooLarge`, and `NotFound` for a user without an account.
        """
        await self.perform_change(user_id, room_id, data_type, lambda _: content)

    async def find(self, user_id: UserID, room_id: RoomID | None, data_type: str) -> bytes | None:
        """Return the JSON object of a type; `None` where it was never set."""
        checked_name(data_type, "type")
        return await self._store.select_account_data(user_id, room_id or "", data_type)

    async def query(self, user_id: UserID, room_id: RoomID | None, data_type: str) -> bytes:
        """Return the JSON object of a type for a client. Raises `NotFound`, and `Unavailable`."""
        if data_type == _FULLY_READ and room_id is not None and self._markers is not None:
            event_id = await self._markers.query_fully_read(user_id=user_id, room_id=room_id)
            if event_id is None:
                raise NotFound("There is no marker in this room.")
            return encode_canonical({"event_id": event_id})
        content = await self.find(user_id, room_id, data_type)
        if content is None:
            raise NotFound("There is no account data of this type.")
        return content

    async def perform_put(
        self, user_id: UserID, room_id: RoomID | None, data_type: str, content: dict[str, Any]
    ) -> None:
        """Set the content of a type for a client. Raises `ServerManaged` and `TooLarge`."""
        checked_name(data_type, "type")
        if data_type in _OF_THE_SERVER:
            raise ServerManaged
        await self._store.upsert_account_data(
            user_id, room_id or "", data_type, self._encode(content)
        )

    async def perform_change(
        self,
        user_id: UserID,
        room_id: RoomID | None,
        data_type: str,
        change: Callable[[bytes | None], dict[str, Any] | None],
    ) -> None:
        """Set a type to what `change` makes of its JSON object, one change after the other.

        With `None` it stays as it is. Raises `TooLarge`, `NotFound` for a user
        without an account, and what `change` raises.
        """
        checked_name(data_type, "type")

        def encoded(content: bytes | None) -> bytes | None:
            changed = change(content)
            new = None if changed is None else self._encode(changed)
            return None if new == content else new

        await self._store.change_account_data(user_id, room_id or "", data_type, encoded)

    def _encode(self, content: dict[str, Any]) -> bytes:
        encoded = encode_canonical(content)
        if len(encoded) > self._size_max:
            raise TooLarge("The account data is too large.")
        return encoded
