"""Pages of a table in the order of a key."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def page_after(
    select: sa.Select[Any], columns: Sequence[sa.Column[str]], key: Sequence[str], limit: int
) -> sa.Select[Any]:
    """Return what selects the first rows behind a key, or of all where it is empty, in its order.

    `columns` are those of the key.
    """
    if key:
        select = select.where(sa.tuple_(*columns) > sa.tuple_(*[sa.literal(one) for one in key]))
    return select.order_by(*columns).limit(limit)
