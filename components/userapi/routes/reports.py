"""Reporting users, and what administrators see of all reports."""

from functools import partial
from typing import Any, Final

import orjson

from base.http import Request, Response, Router, empty_response, json_response
from components.userapi.reports import ReportService
from components.userapi.store.reports import Report, ReportFilter
from internalapi.userapi import NewReport, Requester
from matrix.errors import NotFound
from matrix.identifiers import parse_user_id
from requesting.requesters import Requesters

_V3: Final = "/_matrix/client/v3"
_ADMIN: Final = "/_synapse/admin/v1"
_DIRECTIONS: Final = ("b", "f")
_PAGE: Final = 100
_PAGE_MAX: Final = 1000
_START_MAX: Final = 2**53
_ID_DIGITS_MAX: Final = 15
_LISTS: Final = {"event": "event_reports", "room": "room_reports", "user": "user_reports"}
"""By kind of what is reported, where administrators find the reports."""


class ReportRoutes:
    """The endpoints of reports that need no room.

    The lists for administrators are as Synapse has the one of events.
    """

    def __init__(self, *, requesters: Requesters, reports: ReportService) -> None:
        self._requesters = requesters
        self._reports = reports

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.post(f"{_V3}/users/{{user_id}}/report", by_user(self._report_user, suspended=True))
        for kind, name in _LISTS.items():
            router.get(f"{_ADMIN}/{name}", by_user(partial(self._list, kind=kind)))
            one = f"{_ADMIN}/{name}/{{report_id}}"
            router.get(one, by_user(partial(self._get, kind=kind)))
            router.delete(one, by_user(partial(self._delete, kind=kind)))

    async def _report_user(self, request: Request, requester: Requester) -> Response:
        """Keep a report of any user: nobody learns from the answer whom the server knows."""
        reported = parse_user_id(request.path["user_id"])
        reason = (await request.fields()).string("reason")
        await self._reports.perform_add_report(
            report=NewReport("user", requester.user_id, reason, sender=reported)
        )
        return empty_response()

    async def _list(self, request: Request, requester: Requester, *, kind: str) -> Response:
        start = request.query_int("from", 0, maximum=_START_MAX)
        limit = request.query_int("limit", _PAGE, minimum=1, maximum=_PAGE_MAX)
        wanted = ReportFilter(
            kind,
            request.query_str("user_id"),
            request.query_str("room_id"),
            request.query_str("event_sender_user_id"),
        )
        found, total = await self._reports.query_reports(
            requester,
            wanted,
            start=start,
            limit=limit,
            newest_first=request.query_choice("dir", _DIRECTIONS, "b") == "b",
        )
        answer: dict[str, Any] = {_LISTS[kind]: [_shown(one) for one in found], "total": total}
        if start + len(found) < total:
            answer["next_token"] = start + len(found)
        return json_response(answer)

    async def _get(self, request: Request, requester: Requester, *, kind: str) -> Response:
        report = await self._reports.query_report(requester, kind, _report_id(request))
        shown = _shown(report)
        if report.content.event_json is not None:
            shown["event_json"] = orjson.loads(report.content.event_json)
        return json_response(shown)

    async def _delete(self, request: Request, requester: Requester, *, kind: str) -> Response:
        await self._reports.perform_delete_report(requester, kind, _report_id(request))
        return empty_response()


def _report_id(request: Request) -> int:
    text = request.path["report_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS_MAX):
        raise NotFound("There is no such report.")
    return int(text)


def _shown(report: Report) -> dict[str, Any]:
    content = report.content
    shown: dict[str, Any] = {
        "id": report.report_id,
        "received_ts": report.received_ms,
        "user_id": content.user_id,
        "reason": content.reason,
    }
    if content.kind == "user":
        return {**shown, "target_user_id": content.sender}
    shown |= {
        "room_id": content.room_id,
        "name": content.room_name,
        "canonical_alias": content.canonical_alias,
    }
    if content.kind == "room":
        return shown
    return {**shown, "event_id": content.event_id, "sender": content.sender, "score": None}
