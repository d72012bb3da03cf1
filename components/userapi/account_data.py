"""Account data: what clients keep for their user, globally and per room."""

from typing import Any, Final

from components.userapi.settings import UserApiSettings
from components.userapi.store.user_data import PUSH_RULES, AccountDataStore
from components.userapi.text import checked_name
from matrix.canonical import encode_canonical
from matrix.errors import BadJson, NotFound, TooLarge
from matrix.identifiers import RoomID, UserID

_OF_THE_SERVER: Final = frozenset({"m.fully_read", PUSH_RULES})


class ServerManaged(BadJson):
    """The server manages account data of this type: it has endpoints of its own."""

    status = 405


class AccountDataService:
    """Account data of local users; `None` as the room means that it belongs to none."""

    def __init__(self, store: AccountDataStore, settings: UserApiSettings) -> None:
        self._store = store
        self._size_max = settings.account_data_size_max

    async def query_account_data(
        self, user_id: UserID, room_id: RoomID | None, data_type: str
    ) -> bytes:
        """Return the JSON object of a type. Raises `NotFound`."""
        checked_name(data_type, "type")
        content = await self._store.select_account_data(user_id, room_id or "", data_type)
        if content is None:
            raise NotFound("There is no account data of this type.")
        return content

    async def perform_set_account_data(
        self, user_id: UserID, room_id: RoomID | None, data_type: str, content: dict[str, Any]
    ) -> None:
        """Set the content of a type. Raises `ServerManaged` and `TooLarge`."""
        checked_name(data_type, "type")
        if data_type in _OF_THE_SERVER:
            raise ServerManaged
        encoded = encode_canonical(content)
        if len(encoded) > self._size_max:
            raise TooLarge("The account data is too large.")
        await self._store.upsert_account_data(user_id, room_id or "", data_type, encoded)
