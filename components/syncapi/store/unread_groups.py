"""Unread events as the database counts them: by class and thread, without reading them."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection
from components.syncapi.store.selects_of_rooms import select_together
from components.syncapi.store.tables import EVENTS

_E: Final = EVENTS.c
_IS_OWN: Final = _E.sender == sa.bindparam("user_id")
_NO_THREAD: Final[sa.ColumnElement[Any]] = sa.literal_column("NULL")
_NOTHING: Final[sa.ColumnElement[Any]] = sa.literal_column("0")


class UnreadGroup(NamedTuple):
    """Events of one class in one thread of a room."""

    room_id: str
    thread_root: str | None
    push_class: int
    sender: str
    """Empty where senders are counted together."""
    number: int
    """How many others sent."""
    first: int | None
    """The order of the first that somebody else sent."""
    last: int | None
    own: int | None
    """The order of the last that the reader sent."""


class TimelinePart(NamedTuple):
    """The main timeline of a room, its threads, or one of them, without both ends."""

    room_id: str
    after: int
    before: int
    thread_root: str = ""


def _groups(
    where: sa.ColumnElement[bool], thread: sa.ColumnElement[Any] | None, *, by_sender: bool
) -> sa.Select[Any]:
    others = sa.case((_IS_OWN, None), else_=_E.stream_order)
    keys: list[sa.ColumnElement[Any]] = [_E.push_class, *([_E.sender] if by_sender else [])]
    if thread is not None:
        keys.insert(0, thread)
    return (
        sa.select(
            sa.func.min(_E.room_id).label("room_id"),
            (_NO_THREAD if thread is None else thread).label("thread_root"),
            _E.push_class,
            (_E.sender if by_sender else sa.literal_column("''")).label("sender"),
            sa.func.count(others).label("number"),
            sa.func.min(others).label("first"),
            sa.func.max(others).label("last"),
            sa.func.max(sa.case((_IS_OWN, _E.stream_order))).label("own"),
        )
        .where(_E.room_id == sa.bindparam("room_id"))
        .where(_E.stream_order > sa.bindparam("after"))
        .where(_E.stream_order < sa.bindparam("before"))
        # As the indexes have it.
        .where(_E.push_class != _NOTHING)
        .where(where)
        .group_by(*keys)
    )


_BOTH: Final = (True, False)
_MAIN: Final = {one: _groups(_E.thread_root.is_(None), None, by_sender=one) for one in _BOTH}
_THREADS: Final = {
    one: _groups(_E.thread_root.isnot(None), _E.thread_root, by_sender=one) for one in _BOTH
}
# SQLite takes a partial index only for what it is said to hold.
_ONE_THREAD: Final = sa.and_(
    _E.thread_root.isnot(None), _E.thread_root == sa.bindparam("thread_root")
)
_THREAD: Final = {one: _groups(_ONE_THREAD, _E.thread_root, by_sender=one) for one in _BOTH}


def select_groups(
    connection: Connection,
    user_id: str,
    *,
    main: Sequence[TimelinePart],
    threads: Sequence[TimelinePart],
    one_thread: Sequence[TimelinePart],
    by_sender: bool,
) -> list[UnreadGroup]:
    """Return what was sent in main timelines, in all threads, and in single threads of rooms."""
    found: list[Any] = []
    for select, parts in (
        (_MAIN[by_sender], main),
        (_THREADS[by_sender], threads),
        (_THREAD[by_sender], one_thread),
    ):
        given = [{**part._asdict(), "user_id": user_id} for part in parts]
        found += select_together(connection, select, given)
    return [UnreadGroup._make(row) for row in found]
