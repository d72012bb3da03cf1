"""The consumer loop's tables in a component's database: positions and outbox.

One row per consumer and partition holds the position, the numbers seen of each stream and the
numbers given to each output partition, so that a batch costs one UPDATE, and one INSERT if it has
output. An outbox row holds the whole output of one batch; once that is in the log, a later batch
writes over it.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import msgspec
import sqlalchemy as sa

from base.database import Connection, Schema, Statement, insert
from logs.log import Outgoing

OutboxBatch = list[tuple[str, list[Outgoing]]]
"""What one batch appends: per topic the records in their order."""


class Fenced(Exception):
    """Another instance has moved this position: this one no longer owns the partition."""


class ConsumerProgress(msgspec.Struct, array_like=True):
    """What a position row keeps beside the offset."""

    generation: str
    """The log that the offset belongs to."""
    first: int
    """The first offset that was ever processed: with it the numbering of the output began."""
    seen: dict[str, int]
    """Per stream the next sequence number expected."""
    given: dict[str, dict[int, int]]
    """Per output topic and partition the next sequence number to give."""
    numbering: str = ""
    """Names the numbering where it began again because the log was replaced; else empty."""


class Stored(NamedTuple):
    """A partition as found in the database."""

    offset: int
    progress: ConsumerProgress
    outbox: list[tuple[int, OutboxBatch]]
    """Output that may not have been appended yet, with the offset after its batch."""


class Advance(NamedTuple):
    """What the end of a batch writes."""

    before: int
    after: int
    progress: ConsumerProgress
    output: OutboxBatch
    reused: int | None
    """The offset of an outbox row that is no longer needed, to be written over."""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_progress: Final = msgspec.msgpack.Decoder(ConsumerProgress).decode
_decode_output: Final = msgspec.msgpack.Decoder(OutboxBatch).decode


_METADATA: Final = sa.MetaData()

_POSITIONS: Final = sa.Table(
    "consumer_positions",
    _METADATA,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("next_offset", sa.BigInteger, nullable=False),
    sa.Column("progress", sa.LargeBinary, nullable=False),
)

_OUTBOX: Final = sa.Table(
    "consumer_outbox",
    _METADATA,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("next_offset", sa.BigInteger, primary_key=True),
    sa.Column("output", sa.LargeBinary, nullable=False),
)

CONSUMER_SCHEMA: Final = Schema("consumer", _METADATA)
"""A part of the schema of each component that consumes."""

_ALL_POSITIONS: Final = Statement(
    sa.select(_POSITIONS.c.topic, _POSITIONS.c.partition, _POSITIONS.c.next_offset).where(
        _POSITIONS.c.consumer == sa.bindparam("consumer")
    )
)


def _is_of(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return what is true of the rows of one partition (`ConsumerStore._values`)."""
    of = table.c
    return sa.and_(
        of.consumer == sa.bindparam("of_consumer"),
        of.topic == sa.bindparam("of_topic"),
        of.partition == sa.bindparam("of_partition"),
    )


_ADVANCE: Final = Statement(
    sa.update(_POSITIONS)
    .where(_is_of(_POSITIONS), _POSITIONS.c.next_offset == sa.bindparam("before"))
    .values(next_offset=sa.bindparam("after"), progress=sa.bindparam("state"))
)

_INSERT_OUTPUT: Final = Statement(
    sa.insert(_OUTBOX).values(
        consumer=sa.bindparam("of_consumer"),
        topic=sa.bindparam("of_topic"),
        partition=sa.bindparam("of_partition"),
        next_offset=sa.bindparam("after"),
        output=sa.bindparam("sent"),
    )
)

_REUSE_OUTPUT: Final = Statement(
    sa.update(_OUTBOX)
    .where(_is_of(_OUTBOX), _OUTBOX.c.next_offset == sa.bindparam("reused"))
    .values(next_offset=sa.bindparam("after"), output=sa.bindparam("sent"))
)

_DELETE_OUTPUT: Final = Statement(
    sa.delete(_OUTBOX).where(_is_of(_OUTBOX), _OUTBOX.c.next_offset <= sa.bindparam("appended"))
)


class ConsumerStore:
    """The queries of one consumer on one topic; all run in the caller's transaction."""

    def __init__(self, consumer: str, topic: str) -> None:
        self._key: Final = {"consumer": consumer, "topic": topic}

    def advance(self, connection: Connection, partition: int, advance: Advance) -> None:
        """Move the position and keep the output, by the end of the transaction.

        Raises `Fenced`, then at the latest, if the position was not there.
        """
        values = self._values(partition)
        values["before"] = advance.before
        values["after"] = advance.after
        values["state"] = _encode(advance.progress)

        def missed() -> Fenced:
            return Fenced(f"{self._key} {partition} is no longer at {advance.before}.")

        _ADVANCE.run_at_end(connection, values, missed=missed)
        if advance.output:
            values["sent"] = _encode(advance.output)
            if advance.reused is None:
                _INSERT_OUTPUT.run_at_end(connection, values)
            else:
                values["reused"] = advance.reused
                _REUSE_OUTPUT.run_at_end(connection, values, missed=missed)

    def delete_output(self, connection: Connection, partition: int, appended: int) -> None:
        """Delete the output of batches up to this offset, by the end of the transaction.

        Mostly it is written over by later output, which costs fewer pages.
        """
        values = self._values(partition)
        values["appended"] = appended
        _DELETE_OUTPUT.run_at_end(connection, values)

    def _values(self, partition: int) -> dict[str, object]:
        key = self._key
        return {
            "of_consumer": key["consumer"],
            "of_topic": key["topic"],
            "of_partition": partition,
        }

    def select(
        self, connection: Connection, partitions: Collection[int], generation: str
    ) -> dict[int, Stored]:
        """Return the partitions as stored; those never seen are created at offset 0."""
        for partition in partitions:
            self.insert(connection, partition, 0, generation)
        return self.select_stored(connection, partitions)

    def select_stored(
        self, connection: Connection, partitions: Collection[int] | None = None
    ) -> dict[int, Stored]:
        """Return these of the partitions that were ever owned, or all of them."""
        row, sent = _POSITIONS.c, _OUTBOX.c
        outputs: dict[int, list[tuple[int, OutboxBatch]]] = {}
        for partition, after, output in connection.execute(
            sa.select(sent.partition, sent.next_offset, sent.output)
            .where(self._mine(_OUTBOX, partitions))
            .order_by(sent.partition, sent.next_offset)
        ):
            outputs.setdefault(partition, []).append((after, _decode_output(output)))
        return {
            partition: Stored(offset, _decode_progress(progress), outputs.get(partition, []))
            for partition, offset, progress in connection.execute(
                sa.select(row.partition, row.next_offset, row.progress).where(
                    self._mine(_POSITIONS, partitions)
                )
            )
        }

    def select_offsets(self, connection: Connection) -> dict[int, int]:
        """Return the committed position of every partition that was ever owned."""
        row = _POSITIONS.c
        found = connection.execute(
            sa.select(row.partition, row.next_offset).where(
                row.consumer == self._key["consumer"], row.topic == self._key["topic"]
            )
        )
        return {partition: offset for partition, offset in found}  # noqa: C416 — rows to ints

    def insert(self, connection: Connection, partition: int, offset: int, generation: str) -> None:
        """Let a partition begin here, unless it has begun."""
        self.insert_stored(
            connection, partition, Stored(offset, ConsumerProgress(generation, offset, {}, {}), [])
        )

    def insert_stored(self, connection: Connection, partition: int, stored: Stored) -> None:
        """Let a partition begin with all this, unless it has begun."""
        connection.execute(
            insert(connection, _POSITIONS)
            .values(
                **self._key,
                partition=partition,
                next_offset=stored.offset,
                progress=_encode(stored.progress),
            )
            .on_conflict_do_nothing()
        )
        for after, output in stored.outbox:
            values = {"partition": partition, "next_offset": after, "output": _encode(output)}
            connection.execute(sa.insert(_OUTBOX).values(**self._key, **values))

    def delete(self, connection: Connection, partitions: Collection[int] | None = None) -> None:
        """Forget all progress, and output that was not sent, of these partitions or of all."""
        for table in (_OUTBOX, _POSITIONS):
            connection.execute(sa.delete(table).where(self._mine(table, partitions)))

    def _mine(self, table: sa.Table, partitions: Collection[int] | None) -> sa.ColumnElement[bool]:
        return sa.and_(
            table.c.consumer == self._key["consumer"],
            table.c.topic == self._key["topic"],
            sa.true() if partitions is None else table.c.partition.in_(partitions),
        )


def select_positions(connection: Connection, consumer: str) -> dict[tuple[str, int], int]:
    """Return by topic and partition how far the consumers of this name have committed."""
    rows = _ALL_POSITIONS.rows(connection, {"consumer": consumer})
    return {(topic, partition): offset for topic, partition, offset in rows}


def reset_positions(
    connection: Connection, consumer: str, topic: str, offsets: Mapping[int, int], generation: str
) -> None:
    """Let a consumer that is not running begin again at these offsets, as after a rebuild.

    `generation` is the log's. Output that was not sent is dropped; numbers of later output are of
    another stream unless it begins at 0, where the log is processed as it was the first time.
    """
    store = ConsumerStore(consumer, topic)
    store.delete(connection)
    for partition, offset in offsets.items():
        store.insert(connection, partition, offset, generation)
