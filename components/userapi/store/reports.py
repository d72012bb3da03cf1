"""Reports of events, rooms and users, kept for the administrators."""

from collections.abc import Collection
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from base.database import Connection, Database
from components.userapi.store.tables import reports
from internalapi.userapi import NewReport

_ROW: Final = sa.select(*reports.c)


class Report(msgspec.Struct, frozen=True):
    """A report as it is kept."""

    report_id: int
    received_ms: int
    content: NewReport


class ReportFilter(msgspec.Struct, frozen=True):
    """Which reports are wanted."""

    kind: str
    user_id: str | None = None
    """Of this reporter only."""
    room_id: str | None = None
    """Of this room only."""
    sender: str | None = None
    """Of events of this user, or of this user."""


class ReportStore:
    """Transactions over reports."""

    def __init__(self, database: Database, *, reports_max: int, per_user_max: int) -> None:
        self._database = database
        self._reports_max = reports_max
        self._per_user_max = per_user_max

    async def insert_report(self, report: NewReport, now_ms: int) -> None:
        """Keep a report; where there are too many, in all or of the user, the oldest goes."""
        mine = reports.c.user_id == report.user_id
        too_old = (
            sa.select(reports.c.report_id)
            .where(mine)
            .order_by(reports.c.report_id.desc())
            .offset(self._per_user_max)
            .limit(1)
            .scalar_subquery()
        )

        def work(connection: Connection) -> None:
            values = {**msgspec.structs.asdict(report), "received_ms": now_ms}
            insert = sa.insert(reports).values(values).returning(reports.c.report_id)
            newest = connection.execute(insert).scalar_one()
            oldest = newest - self._reports_max
            connection.execute(sa.delete(reports).where(reports.c.report_id <= oldest))
            connection.execute(sa.delete(reports).where(mine, reports.c.report_id <= too_old))

        await self._database.write(work)

    async def select_reports(
        self, wanted: ReportFilter, *, start: int, limit: int, newest_first: bool
    ) -> tuple[list[Report], int]:
        """Return a page of reports, and how many there are in all."""
        conditions = list(_conditions(wanted))
        order = reports.c.report_id.desc() if newest_first else reports.c.report_id.asc()
        page = _ROW.where(*conditions).order_by(order).offset(start).limit(limit)
        count = sa.select(sa.func.count()).select_from(reports).where(*conditions)

        def select(connection: Connection) -> tuple[list[Report], int]:
            found = [_report(row) for row in connection.execute(page)]
            return found, connection.execute(count).scalar_one()

        return await self._database.read(select)

    async def select_report(self, kind: str, report_id: int) -> Report | None:
        """Return one report."""
        query = _ROW.where(reports.c.report_id == report_id, reports.c.kind == kind)

        def select(connection: Connection) -> Report | None:
            row = connection.execute(query).first()
            return None if row is None else _report(row)

        return await self._database.read(select)

    async def delete_report(self, kind: str, report_id: int) -> bool:
        """Delete a report that was dealt with; false where there was none."""
        statement = sa.delete(reports).where(
            reports.c.report_id == report_id, reports.c.kind == kind
        )
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount == 1
        )


def _conditions(wanted: ReportFilter) -> Collection[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [reports.c.kind == wanted.kind]
    for column, value in (
        (reports.c.user_id, wanted.user_id),
        (reports.c.room_id, wanted.room_id),
        (reports.c.sender, wanted.sender),
    ):
        if value is not None:
            found.append(column == value)
    return found


def _report(row: Any) -> Report:
    content = NewReport(
        kind=row.kind,
        user_id=row.user_id,
        reason=row.reason,
        room_id=row.room_id,
        event_id=row.event_id,
        sender=row.sender,
        event_json=row.event_json,
        room_name=row.room_name,
        canonical_alias=row.canonical_alias,
    )
    return Report(row.report_id, row.received_ms, content)
