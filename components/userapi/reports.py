"""Reports of what users find inappropriate (client-server API, "Reporting Content")."""

from base.clock import Clock
from components.userapi.rates import UserApiRates
from components.userapi.settings import UserApiSettings
from components.userapi.store.reports import Report, ReportFilter, ReportStore
from internalapi.userapi import NewReport, Requester
from matrix.errors import Forbidden, NotFound, TooLarge


class ReportService:
    """Takes reports, and shows them to the administrators; `internalapi.userapi.Reports`."""

    def __init__(
        self, store: ReportStore, rates: UserApiRates, clock: Clock, settings: UserApiSettings
    ) -> None:
        self._store = store
        self._rates = rates
        self._clock = clock
        self._reason_max = settings.report_reason_characters_max

    async def perform_add_report(self, *, report: NewReport) -> None:
        """Keep a report for the administrators, durably.

        Raises `LimitExceeded` for a user who reports too often, and `TooLarge` for a long reason.
        """
        self._rates.check_report(report.user_id)
        if len(report.reason) > self._reason_max:
            raise TooLarge(f"The reason has more than {self._reason_max} characters.")
        await self._store.insert_report(report, self._clock.now_ms())

    async def query_reports(
        self,
        requester: Requester,
        wanted: ReportFilter,
        *,
        start: int,
        limit: int,
        newest_first: bool,
    ) -> tuple[list[Report], int]:
        """Return a page of reports and how many there are. Raises `Forbidden`."""
        _require_admin(requester)
        return await self._store.select_reports(
            wanted, start=start, limit=limit, newest_first=newest_first
        )

    async def query_report(self, requester: Requester, kind: str, report_id: int) -> Report:
        """Return one report. Raises `Forbidden` and `NotFound`."""
        _require_admin(requester)
        report = await self._store.select_report(kind, report_id)
        if report is None:
            raise NotFound("There is no such report.")
        return report

    async def perform_delete_report(self, requester: Requester, kind: str, report_id: int) -> None:
        """Delete a report. Raises `Forbidden` and `NotFound`."""
        _require_admin(requester)
        if not await self._store.delete_report(kind, report_id):
            raise NotFound("There is no such report.")


def _require_admin(requester: Requester) -> None:
    if not requester.is_admin:
        raise Forbidden("You are not an administrator of this server.")
