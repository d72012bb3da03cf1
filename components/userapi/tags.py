"""Tags: labels that a user gives to rooms, kept as account data of each room."""

from typing import Any, Final

from components.userapi.account_data import AccountDataService
from components.userapi.text import checked_name
from matrix.canonical import decode_json
from matrix.errors import BadJson
from matrix.identifiers import RoomID, UserID

_TAG: Final = "m.tag"

Tags = dict[str, dict[str, Any]]


class TagService:
    """Reads and changes the tags of rooms. Clients may write `m.tag` as they like as well."""

    def __init__(self, account_data: AccountDataService) -> None:
        self._account_data = account_data

    async def query_tags(self, user_id: UserID, room_id: RoomID) -> Tags:
        """Return the tags of a room, by their names."""
        return _tags_in(await self._account_data.find(user_id, room_id, _TAG))

    async def perform_put_tag(
        self, user_id: UserID, room_id: RoomID, tag: str, content: dict[str, Any]
    ) -> None:
        """Give a room a tag, or change it.

        Raises `InvalidParam` for a name over 255 bytes, `BadJson` for an order that is no number,
        and `TooLarge` for too many tags.
        """
        checked_name(tag, "tag")
        if type(content.get("order", 0)) not in {int, float}:
            raise BadJson("The order of a tag is a number.")

        def put(stored: bytes | None) -> dict[str, Any]:
            return {"tags": {**_tags_in(stored), tag: content}}

        await self._account_data.perform_change(user_id, room_id, _TAG, put)

    async def perform_remove_tag(self, user_id: UserID, room_id: RoomID, tag: str) -> None:
        """Take a tag from a room; nothing changes where it has none."""
        checked_name(tag, "tag")

        def remove(stored: bytes | None) -> dict[str, Any] | None:
            tags = _tags_in(stored)
            return {"tags": tags} if tags.pop(tag, None) is not None else None

        await self._account_data.perform_change(user_id, room_id, _TAG, remove)


def _tags_in(stored: bytes | None) -> Tags:
    tags = None if stored is None else decode_json(stored).get("tags")
    return tags if type(tags) is dict else {}
