"""What has been decided and the log has yet to be told, in the owner's database.

Numbers count per partition without holes; a number is taken inside the transaction, so that their
order is the order of the commits.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, Schema, Statement, insert_for, insert_into

_METADATA: Final = sa.MetaData()

_OUTGOING: Final = sa.Table(
    "outgoing",
    _METADATA,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
)

_SEQUENCES: Final = sa.Table(
    "outgoing_sequences",
    _METADATA,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("next_sequence", sa.BigInteger, nullable=False),
)

ANNOUNCING_SCHEMA: Final = Schema("announcing", _METADATA)
"""A part of the schema of an owner that announces, one topic each."""


def _next_sequence(dialect: str) -> sa.Executable:
    return (
        insert_for(dialect, _SEQUENCES)
        .values(partition=sa.bindparam("partition"), next_sequence=sa.bindparam("count"))
        .on_conflict_do_update(
            index_elements=[_SEQUENCES.c.partition],
            set_={"next_sequence": _SEQUENCES.c.next_sequence + sa.bindparam("count")},
        )
        .returning(_SEQUENCES.c.next_sequence)
    )


def _raise_sequence(dialect: str) -> sa.Executable:
    statement = insert_for(dialect, _SEQUENCES).values(
        partition=sa.bindparam("partition"), next_sequence=sa.bindparam("next_sequence")
    )
    number = statement.excluded.next_sequence
    return statement.on_conflict_do_update(
        index_elements=[_SEQUENCES.c.partition],
        set_={"next_sequence": number},
        where=_SEQUENCES.c.next_sequence < number,
    )


_NO_LIMIT: Final = 2**62

_NEXT_SEQUENCE: Final = Statement(_next_sequence)
_INSERT_OUTGOING: Final = insert_into(_OUTGOING)
_DELETE_OUTGOING: Final = Statement(
    sa.delete(_OUTGOING).where(
        _OUTGOING.c.partition == sa.bindparam("of_partition"),
        _OUTGOING.c.sequence <= sa.bindparam("up_to"),
    )
)
_RAISE_SEQUENCE: Final = Statement(_raise_sequence)


class OutgoingRecord(NamedTuple):
    """A record that waits to be appended, with its number in its partition."""

    partition: int
    sequence: int
    key: str
    value: bytes


def insert_outgoing(
    connection: Connection, partition: int, records: Sequence[tuple[str, bytes]]
) -> None:
    """Leave records, keys and values, with the next numbers of their partition."""
    values = {"partition": partition, "count": len(records)}
    [(after,)] = _NEXT_SEQUENCE.rows(connection, values)
    first = after - len(records)
    rows = [
        {"partition": partition, "sequence": sequence, "key": key, "value": value}
        for sequence, (key, value) in enumerate(records, first)
    ]
    _INSERT_OUTGOING.run_many(connection, rows)


def select_outgoing(
    connection: Connection, after: Mapping[int, int], limit: int = _NO_LIMIT
) -> list[OutgoingRecord]:
    """Return what waits beyond these numbers per partition, each partition in order."""
    values = {"row_limit": limit}
    for place, (partition, sequence) in enumerate(after.items()):
        values |= {f"partition_{place}": partition, f"sequence_{place}": sequence}
    rows = _select_beyond(len(after)).rows(connection, values)
    return [OutgoingRecord(*row) for row in rows]


@lru_cache(maxsize=256)
def _select_beyond(partitions: int) -> Statement:
    """Return the query for so many partitions from which something was sent."""
    of = _OUTGOING.c
    beyond = (
        sa.or_(
            of.partition != sa.bindparam(f"partition_{place}"),
            of.sequence > sa.bindparam(f"sequence_{place}"),
        )
        for place in range(partitions)
    )
    return Statement(
        sa.select(of.partition, of.sequence, of.key, of.value)
        .where(sa.and_(sa.true(), *beyond))
        .order_by(of.partition, of.sequence)
        .limit(sa.bindparam("row_limit", type_=sa.BigInteger))
    )


def delete_outgoing(connection: Connection, up_to: Mapping[int, int]) -> None:
    """Forget what has been appended: per partition, up to and with this number."""
    rows = [{"of_partition": one, "up_to": sequence} for one, sequence in sorted(up_to.items())]
    _DELETE_OUTGOING.run_many(connection, rows)


def select_next_sequences(connection: Connection) -> dict[int, int]:
    """Return per partition the number that the next record gets; 0 where there is none."""
    rows = connection.execute(sa.select(_SEQUENCES.c.partition, _SEQUENCES.c.next_sequence))
    return {partition: following for partition, following in rows}  # noqa: C416 (a row is no pair)


def raise_next_sequences(connection: Connection, least: Mapping[int, int]) -> None:
    """Let the next records of these partitions have at least these numbers."""
    rows = [{"partition": one, "next_sequence": number} for one, number in least.items()]
    _RAISE_SEQUENCE.run_many(connection, rows)
