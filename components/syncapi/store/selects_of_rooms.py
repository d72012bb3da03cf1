"""One SELECT for several rooms, each with parameters of its own, as one statement."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from base.database import Connection, cut_to_sizes

_ROOMS_AT_ONCE: Final = (1, 8, 50)
_NO_ROOM: Final = ""
_NUMBERED: Final = re.compile(r"\$([0-9]+)")


def select_together(
    connection: Connection, select: sa.Select[Any], parameters: Sequence[Mapping[str, object]]
) -> list[Any]:
    """Return the rows that a SELECT of a module has for any of these parameters, in no order.

    One of the parameters is `room_id`.
    """
    found: list[Any] = []
    nothing = {**parameters[0], "room_id": _NO_ROOM} if parameters else None
    for some in cut_to_sizes(parameters, _ROOMS_AT_ONCE, nothing):
        text, names = _together(connection.dialect, select, len(some))
        values = [known[name] for known in some for name in names]
        found.extend(connection.exec_driver_sql(text, tuple(values)).fetchall())
    return found


@lru_cache(maxsize=64)
def _together(dialect: Dialect, select: sa.Select[Any], size: int) -> tuple[str, Sequence[str]]:
    """Return the statement for so many rooms, and the parameters of each of them in order.

    Only the one for a single room is compiled: fifty would take as long as fifty.
    """
    compiled: Any = select.compile(dialect=dialect)
    names: Sequence[str] = compiled.positiontup or ()
    rooms = [
        f"SELECT * FROM ({_renumbered(compiled.string, number * len(names))}) AS room{number}"  # noqa: S608 (of compiled text)
        for number in range(size)
    ]
    return " UNION ALL ".join(rooms), names


def _renumbered(text: str, by: int) -> str:
    # PostgreSQL's parameters have numbers, SQLite's have not.
    return _NUMBERED.sub(lambda found: f"${int(found[1]) + by}", text)
