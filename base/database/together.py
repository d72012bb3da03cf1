"""Writes that are made together at the end of a transaction, on PostgreSQL in one round trip.

A batch of a consumer writes into five to ten tables. Sent one after another, each of these writes
waits for its answer, and a message that comes alone spends most of its time in such waits.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy.engine import Connection

_WRITES: Final = "xylem_writes_together"
_PARAMETER: Final = re.compile(r"\$(\d+)")
_MOST_TEXTS: Final = 1000

Values = Sequence[Any]


class _Write(NamedTuple):
    text: str
    values: Values
    missed: Callable[[], Exception] | None
    """Makes what is raised if no row was changed."""


def begin(connection: Connection) -> None:
    """Collect writes from here on; `finish` makes them."""
    connection.info[_WRITES] = []


def abandon(connection: Connection) -> None:
    """Make none of the writes that were collected."""
    # A connection that was lost has forgotten them, and would not say so but raise.
    if not connection.invalidated:
        connection.info.pop(_WRITES, None)


def finish(connection: Connection) -> None:
    """Make the writes that were collected. Raises what they miss."""
    writes: list[_Write] = connection.info.pop(_WRITES)
    if not writes:
        return
    values = [value for write in writes for value in write.values]
    text = _together([write.text for write in writes], [one.missed is not None for one in writes])
    counts = connection.exec_driver_sql(text, tuple(values)).one()
    required = [write.missed for write in writes if write.missed is not None]
    for missed, count in zip(required, counts, strict=False):
        if not count:
            raise missed()


def put(
    connection: Connection,
    text: str,
    values: Values,
    missed: Callable[[], Exception] | None = None,
) -> bool:
    """Let `finish` make this write; false where nothing is collected, and it has to be made now.

    No write may need what another one of the same transaction has written: PostgreSQL shows none
    of them the others' rows.
    """
    writes: list[_Write] | None = connection.info.get(_WRITES)
    if writes is None:
        return False
    writes.append(_Write(text, values, missed))
    return True


_texts: Final[dict[tuple[tuple[str, ...], tuple[bool, ...]], str]] = {}


def _together(texts: Sequence[str], required: Sequence[bool]) -> str:
    """Return one statement for all, which gives the number of rows of those that are required."""
    key = (tuple(texts), tuple(required))
    found = _texts.get(key)
    if found is None:
        if len(_texts) >= _MOST_TEXTS:
            _texts.clear()
        found = _texts[key] = _compose(texts, required)
    return found


def _compose(texts: Sequence[str], required: Sequence[bool]) -> str:
    parts = []
    counts = []
    before = 0
    for number, (text, is_required) in enumerate(zip(texts, required, strict=True)):
        count = max((int(one) for one in _PARAMETER.findall(text)), default=0)
        moved = _PARAMETER.sub(partial(_renumber, before), text)
        before += count
        if is_required:
            moved += " RETURNING 1"
            counts.append(f"(SELECT count(*) FROM w{number})")  # noqa: S608 (a number)
        parts.append(f"w{number} AS ({moved})")
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts) or '1'}"


def _renumber(before: int, found: re.Match[str]) -> str:
    return f"${int(found[1]) + before}"
