"""Query parameters that several endpoints share: filters and the requester."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

from cachetools import LRUCache

from base.http import Request
from components.syncapi.settings import SyncApiSettings
from internalapi.userapi import Filters
from matrix.canonical import decode_json, encode_canonical
from matrix.errors import BadJson, InvalidParam, NotFound
from matrix.filters import EventFilter, Filter
from matrix.identifiers import UserID
from requesting.requesters import Requesters

_BYTES_OF_WEIGHT: Final = 256


class _Parsed(NamedTuple):
    filter: Filter
    weight: int


class RequestReading:
    """Knows requesters, and the filters that they mean."""

    def __init__(
        self,
        requesters: Requesters,
        filters: Filters,
        settings: SyncApiSettings,
    ) -> None:
        self.requesters: Final = requesters
        self._filters: Final = filters
        self._settings: Final = settings
        self._parsed: Final[LRUCache[tuple[str, str], _Parsed]] = LRUCache(
            settings.cached_filters, attrgetter("weight")
        )
        self._no_filter: Final = self._parse({})

    async def sync_filter(self, user_id: UserID, text: str | None) -> Filter:
        """Return the filter of a /sync: inline JSON, or the ID of one that the user stored."""
        if not text:
            return self._no_filter
        is_inline = text.startswith("{")
        key = ("" if is_inline else user_id, text)
        known = self._parsed.get(key)
        if known is not None:
            return known.filter
        if is_inline:
            definition = decode_json(text.encode())
        else:
            definition = await self._stored(user_id, text)
        parsed = self._parse(definition)
        weight = 1 + len(encode_canonical(definition)) // _BYTES_OF_WEIGHT
        if weight <= self._parsed.maxsize:
            self._parsed[key] = _Parsed(parsed, weight)
        return parsed

    async def _stored(self, user_id: UserID, filter_id: str) -> Mapping[str, Any]:
        try:
            return await self._filters.query_filter(user_id=user_id, filter_id=filter_id)
        except NotFound as error:
            raise InvalidParam("There is no filter with this ID.") from error

    def _parse(self, definition: object) -> Filter:
        return Filter.parse(
            definition,
            default_limit=self._settings.default_timeline_limit,
            max_limit=self._settings.max_timeline_limit,
        )

    def event_filter(self, request: Request) -> EventFilter:
        """Return the RoomEventFilter of a request, which is inline JSON."""
        text = request.query_str("filter")
        if not text:
            return _EVERYTHING
        definition = decode_json(text.encode())
        if not isinstance(definition, dict):
            raise BadJson("The filter is not an object.")
        return EventFilter.parse(definition, max_limit=self._settings.max_page_limit)

    def limit(self, request: Request, event_filter: EventFilter) -> int:
        """Return how many events a page has at most: as the query says, or else the filter."""
        return request.query_int("limit", event_filter.limit, maximum=self._settings.max_page_limit)


_EVERYTHING: Final = EventFilter.parse({})
