"""What users set for a room goes over to the room that replaces it ("Room Upgrades")."""

from collections.abc import Callable
from typing import Any, Final

from components.userapi.account_data import AccountDataService
from components.userapi.user_push_rules import PushRuleService
from matrix.canonical import decode_json
from matrix.identifiers import RoomID, UserID

_TAG: Final = "m.tag"
_DIRECT: Final = "m.direct"

Content = dict[str, Any]


class ReplacedRoomSettings:
    """Copies tags, the push rules of the room, and whether it is a direct chat.

    `internalapi.userapi.ReplacedRooms`. What is set for the new room already stays.
    """

    def __init__(self, account_data: AccountDataService, rules: PushRuleService) -> None:
        self._account_data = account_data
        self._rules = rules

    async def perform_take_over(
        self, *, user_id: UserID, old_room_id: RoomID, new_room_id: RoomID
    ) -> None:
        """Copy what the user has set for the old room; again changes nothing.

        Raises `NotFound` for a user without an account.
        """
        tags = await self._account_data.find(user_id, old_room_id, _TAG)
        if tags is not None:
            copied: Content = decode_json(tags)
            await self._account_data.perform_change(
                user_id, new_room_id, _TAG, lambda new: copied if new is None else None
            )
        await self._account_data.perform_change(
            user_id, None, _DIRECT, _adding(old_room_id, new_room_id)
        )
        await self._rules.perform_copy_rules_of_room(user_id, old_room_id, new_room_id)


def _adding(old_room_id: str, new_room_id: str) -> Callable[[bytes | None], Content | None]:
    """Return what puts the new room beside the old one, wherever that is a direct chat."""

    def change(stored: bytes | None) -> Content | None:
        content: Content = {} if stored is None else decode_json(stored)
        changed = {
            user_id: [*room_ids, new_room_id]
            for user_id, room_ids in content.items()
            if isinstance(room_ids, list)
            and old_room_id in room_ids
            and new_room_id not in room_ids
        }
        return {**content, **changed} if changed else None

    return change
