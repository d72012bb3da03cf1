"""Events, transactions and waiting redactions in the database."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import insert
from components.roomserver.store.tables import events, transactions, waiting_redactions
from components.roomserver.stored import Flags, KnownEvent
from logs.records.room_input import Transaction
from matrix.events import load_event
from matrix.identifiers import EventID
from matrix.room_versions import room_version

MAX_KEYS_AT_ONCE: Final = 500
"""SQLite takes a bounded number of parameters in one statement."""

_SELECT_EVENTS: Final = sa.select(events).where(
    events.c.event_id.in_(sa.bindparam("event_ids", expanding=True))
)
_SELECT_TRANSACTIONS: Final = sa.select(
    transactions.c.user_id,
    transactions.c.device_id,
    transactions.c.transaction_id,
    transactions.c.event_id,
).where(
    # The three columns are compared one by one with `in_`, which may find too much: the caller
    # looks its own keys up in the answer.
    transactions.c.user_id.in_(sa.bindparam("users", expanding=True)),
    transactions.c.transaction_id.in_(sa.bindparam("ids", expanding=True)),
)
_SELECT_WAITING: Final = sa.select(
    waiting_redactions.c.target_event_id, waiting_redactions.c.redaction_event_id
).where(waiting_redactions.c.target_event_id.in_(sa.bindparam("targets", expanding=True)))
_UPDATE_EVENT: Final = (
    sa.update(events)
    .where(events.c.event_id == sa.bindparam("key"))
    .values(
        flags=sa.bindparam("new_flags"),
        raw=sa.bindparam("new_raw"),
        state_before=sa.bindparam("new_state_before"),
        state_after=sa.bindparam("new_state_after"),
        redacted_because=sa.bindparam("new_redacted_because"),
        reason=sa.bindparam("new_reason"),
    )
)


def chunks(keys: Iterable[str]) -> Iterable[list[str]]:
    """Return the keys in lists short enough for one statement."""
    ordered = list(keys)
    for start in range(0, len(ordered), MAX_KEYS_AT_ONCE):
        yield ordered[start : start + MAX_KEYS_AT_ONCE]


class EventStore:
    """Queries over events in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def select_events(self, event_ids: Collection[str]) -> dict[EventID, KnownEvent]:
        """Return those of the events that are stored, rejected ones and outliers included."""
        found: dict[EventID, KnownEvent] = {}
        for some in chunks(event_ids):
            for row in self._connection.execute(_SELECT_EVENTS, {"event_ids": some}):
                found[EventID(row.event_id)] = KnownEvent(
                    load_event(row.raw, room_version(row.version), EventID(row.event_id)),
                    Flags(row.flags),
                    row.state_before,
                    row.state_after,
                    row.redacted_because,
                    row.reason,
                )
        return found

    def insert_events(self, known: Sequence[KnownEvent]) -> None:
        """Store new events."""
        if known:
            self._connection.execute(sa.insert(events), [_row(one) for one in known])

    def update_events(self, known: Sequence[KnownEvent]) -> None:
        """Replace stored events: verdict, snapshots, redaction."""
        if known:
            rows = [
                {
                    "key": one.event.event_id,
                    **{
                        f"new_{column}": value
                        for column, value in _row(one).items()
                        if column not in {"event_id", "room_id", "version"}
                    },
                }
                for one in known
            ]
            self._connection.execute(_UPDATE_EVENT, rows)

    def select_transactions(self, wanted: Collection[Transaction]) -> Mapping[Transaction, EventID]:
        """Return the events that these transactions made."""
        found: dict[Transaction, EventID] = {}
        if not wanted:
            return found
        users = list({one.user_id for one in wanted})
        for some in chunks({one.transaction_id for one in wanted}):
            rows = self._connection.execute(_SELECT_TRANSACTIONS, {"users": users, "ids": some})
            for user_id, device_id, transaction_id, event_id in rows:
                found[Transaction(user_id, device_id, transaction_id)] = EventID(event_id)
        return found

    def insert_transactions(self, made: Mapping[Transaction, EventID], timestamp_ms: int) -> None:
        """Remember which events the transactions made."""
        if made:
            self._connection.execute(
                sa.insert(transactions),
                [
                    {
                        "user_id": one.user_id,
                        "device_id": one.device_id,
                        "transaction_id": one.transaction_id,
                        "event_id": event_id,
                        "timestamp_ms": timestamp_ms,
                    }
                    for one, event_id in made.items()
                ],
            )

    def delete_transactions_before(self, timestamp_ms: int) -> None:
        """Forget transactions that no client repeats any more."""
        self._connection.execute(
            sa.delete(transactions).where(transactions.c.timestamp_ms < timestamp_ms)
        )

    def select_waiting_redactions(
        self, targets: Collection[EventID]
    ) -> dict[EventID, list[EventID]]:
        """Return the redactions that came before these events, by event, in order of ID."""
        waiting: dict[EventID, list[EventID]] = {}
        for some in chunks(targets):
            for row in self._connection.execute(_SELECT_WAITING, {"targets": some}):
                waiting.setdefault(EventID(row[0]), []).append(EventID(row[1]))
        for redactions in waiting.values():
            redactions.sort()
        return waiting

    def insert_waiting_redactions(self, pairs: Collection[tuple[EventID, EventID]]) -> None:
        """Let redactions (second) wait for their targets (first)."""
        if pairs:
            statement = insert(self._connection, waiting_redactions).on_conflict_do_nothing()
            self._connection.execute(
                statement,
                [
                    {"target_event_id": target, "redaction_event_id": redaction}
                    for target, redaction in pairs
                ],
            )

    def delete_waiting_redactions(self, targets: Collection[EventID]) -> None:
        """Forget redactions whose targets have arrived."""
        for some in chunks(targets):
            self._connection.execute(
                sa.delete(waiting_redactions).where(waiting_redactions.c.target_event_id.in_(some))
            )


def _row(known: KnownEvent) -> dict[str, Any]:
    event = known.event
    return {
        "event_id": event.event_id,
        "room_id": event.room_id,
        "version": event.room_version.identifier,
        "flags": int(known.flags),
        "raw": event.raw,
        "state_before": known.state_before,
        "state_after": known.state_after,
        "redacted_because": known.redacted_because,
        "reason": known.reason,
    }
