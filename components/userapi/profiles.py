"""Profiles of local users: free JSON fields, 64 KiB in all."""

import re
from typing import Any, Final

from components.userapi.store.user_data import ProfileStore
from matrix.canonical import decode_json, encode_canonical
from matrix.errors import BadJson, InvalidParam, KeyTooLarge, NotFound
from matrix.identifiers import UserID

_FIELD_BYTES_MAX: Final = 255
_STRING_FIELDS: Final = frozenset({"avatar_url", "displayname"})
_field: Final = re.compile(r"[a-z][a-z0-9_.-]*")


class ProfileService:
    """Profiles, as other components and clients see them."""

    def __init__(self, store: ProfileStore) -> None:
        self._store = store

    async def query_profile(self, *, user_id: UserID) -> dict[str, Any]:
        """Return the profile's fields (`displayname`, `avatar_url`, others). Raises `NotFound`."""
        fields = await self._store.select_profile(user_id)
        if fields is None:
            raise NotFound("There is no such user.")
        return {name: decode_json(value) for name, value in fields.items()}

    async def perform_set_profile_field(self, *, user_id: UserID, field: str, value: Any) -> bool:
        """Set a field, or remove it with `None`; false when nothing changed.

        Raises `NotFound` for a user without an account, `KeyTooLarge`, `InvalidParam` for a name
        that no field can have, `BadJson` for a wrong type, and `ProfileTooLarge`.
        """
        if len(field.encode()) > _FIELD_BYTES_MAX:
            raise KeyTooLarge
        if _field.fullmatch(field) is None:
            raise InvalidParam("A profile field cannot have this name.")
        if value is not None and field in _STRING_FIELDS and type(value) is not str:
            raise BadJson(f"The field {field} is not a string.")
        encoded = None if value is None else encode_canonical(value)
        return await self._store.upsert_field(user_id, field, encoded)
