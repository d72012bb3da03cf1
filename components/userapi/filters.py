"""Filters that clients store, to name them when they sync."""

import hashlib
from operator import attrgetter
from typing import Any, Final, NamedTuple

from cachetools import LRUCache

from base.clock import Clock
from components.userapi.settings import UserApiSettings
from components.userapi.store.user_data import FilterStore
from matrix.canonical import decode_json, encode_canonical
from matrix.errors import NotFound, TooLarge
from matrix.filters import Filter
from matrix.identifiers import UserID
from matrix.unpadded_base64 import encode_base64_url_safe

_ID_BYTES: Final = 12
_ID_LENGTH: Final = 16
_BYTES_OF_WEIGHT: Final = 256


class _KnownFilter(NamedTuple):
    definition: dict[str, Any]
    weight: int


class FilterService:
    """The filters of all users. Equal filters of a user have the same ID."""

    def __init__(self, store: FilterStore, clock: Clock, settings: UserApiSettings) -> None:
        self._store = store
        self._clock = clock
        self._size_max = settings.filter_size_max
        self._known: LRUCache[tuple[str, str], _KnownFilter] = LRUCache(
            settings.filter_cache_size, attrgetter("weight")
        )

    async def query_filter(self, *, user_id: UserID, filter_id: str) -> dict[str, Any]:
        """Return the filter as it was stored. Raises `NotFound`."""
        # An ID names its content, so that what is known stays true.
        known = self._known.get((user_id, filter_id))
        if known is not None:
            return known.definition
        content = None
        if len(filter_id) == _ID_LENGTH and "\0" not in filter_id:
            content = await self._store.select_filter(user_id, filter_id)
        if content is None:
            raise NotFound("There is no such filter.")
        stored: dict[str, Any] = decode_json(content)
        weight = 1 + len(content) // _BYTES_OF_WEIGHT
        if weight <= self._known.maxsize:
            self._known[user_id, filter_id] = _KnownFilter(stored, weight)
        return stored

    async def perform_store_filter(self, user_id: UserID, definition: dict[str, Any]) -> str:
        """Keep a filter and return its ID.

        Raises `BadJson` and `InvalidParam` for what is no filter, and `TooLarge`.
        """
        Filter.parse(definition)
        content = encode_canonical(definition)
        if len(content) > self._size_max:
            raise TooLarge("The filter is too large.")
        digest = hashlib.sha256(content).digest()[:_ID_BYTES]
        filter_id = encode_base64_url_safe(digest)
        await self._store.insert_filter(user_id, filter_id, content, self._clock.now_ms())
        return filter_id
