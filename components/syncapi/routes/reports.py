"""The endpoints that report events and rooms."""

from collections.abc import Callable
from functools import partial
from typing import Final

from base.database import Database
from base.http import Request, Response, Router, empty_response
from components.syncapi.memory.freshness import Freshness
from components.syncapi.rooms.reporting import read_event_report, read_room_report
from components.syncapi.routes.queries import RequestReading
from components.syncapi.timeline.rendering import Reader
from internalapi.userapi import Reports, Requester
from matrix.identifiers import EventID, parse_room_id

_ROOM: Final = "/_matrix/client/v3/rooms/{room_id}"
_R0: Final = ("r0",)


class RoomReportRoutes:
    """Looks up what is reported, and hands the report to the user API, which keeps it."""

    def __init__(
        self,
        *,
        database: Database,
        reading: RequestReading,
        freshness: Freshness,
        reports: Reports,
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._reading = reading
        self._freshness = freshness
        self._reports = reports
        self._now_ms = now_ms

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._reading.requesters.by_user
        router.post(f"{_ROOM}/report", by_user(self._report_room, suspended=True, limited=True))
        router.post(
            f"{_ROOM}/report/{{event_id}}",
            by_user(self._report_event, suspended=True),
            versions=_R0,
        )

    async def _report_room(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        reason = (await request.fields()).string("reason")
        await self._freshness.room(room_id)
        read = partial(read_room_report, room_id=room_id, user_id=requester.user_id, reason=reason)
        await self._reports.perform_add_report(report=await self._database.read(read))
        return empty_response()

    async def _report_event(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        # Only since v1.18 there is nothing else that a client can say.
        reason = (await request.fields()).optional_string("reason", "")
        await self._freshness.room(room_id)
        read = partial(
            read_event_report,
            room_id=room_id,
            event_id=EventID(request.path["event_id"]),
            reader=Reader(requester.user_id, requester.device_id, self._now_ms()),
            reason=reason,
        )
        await self._reports.perform_add_report(report=await self._database.read(read))
        return empty_response()
