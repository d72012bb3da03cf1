"""Events, transactions and waiting redactions in the database."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from base.database import (
    Connection,
    SelectByKeys,
    Statement,
    insert_into,
    insert_new_into,
    page_after,
)
from components.roomserver.store.tables import (
    auth_edges,
    events,
    transactions,
    waiting_redactions,
)
from components.roomserver.stored import Flags, KnownEvent
from logs.records.room_input import Transaction
from matrix.events import load_event
from matrix.identifiers import EventID
from matrix.room_versions import room_version

_STORED: Final = (
    events.c.event_id,
    events.c.version,
    events.c.flags,
    events.c.raw,
    events.c.state_before,
    events.c.state_after,
    events.c.redacted_because,
    events.c.reason,
)
_SELECT_EVENTS: Final = SelectByKeys(sa.select(*_STORED), events.c.event_id)
_MOST_STARTS: Final = 32
_cited: Final = (
    sa.select(auth_edges.c.auth_event_id)
    .where(
        auth_edges.c.event_id.in_(
            [sa.bindparam(f"start{number}") for number in range(_MOST_STARTS)]
        )
    )
    .cte("cited", recursive=True)
)
_chain: Final = _cited.union(
    sa.select(auth_edges.c.auth_event_id).join(
        _cited, auth_edges.c.event_id == _cited.c.auth_event_id
    )
)
# Both databases follow the chains level by level, and no further than rows are taken.
_SELECT_AUTH_CHAIN: Final = Statement(
    sa.select(_chain.c.auth_event_id)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .offset(sa.literal_column("0"))
)
_INSERT_AUTH_EDGE: Final = insert_into(auth_edges)
_INSERT_EVENT: Final = insert_into(events)
_UPDATE_EVENT: Final = Statement(
    sa.update(events)
    .where(events.c.event_id == sa.bindparam("of_event"))
    .values(
        {
            column: sa.bindparam(column)
            for column in (
                "flags",
                "raw",
                "state_before",
                "state_after",
                "redacted_because",
                "reason",
            )
        }
        | {
            # They are in the row since it was announced, and not read again.
            column: sa.func.coalesce(
                sa.bindparam(column, type_=events.c[column].type), events.c[column]
            )
            for column in ("place", "changes")
        }
    )
)
_SELECT_REDACTED: Final = SelectByKeys(
    sa.select(events.c.event_id).where(events.c.redacted_because.isnot(None)), events.c.event_id
)
_SELECT_ANNOUNCED: Final = (
    sa.select(*_STORED, events.c.place, events.c.changes)
    .where(events.c.room_id == sa.bindparam("room_id"), events.c.place > sa.bindparam("after"))
    .order_by(events.c.place)
)
_known: Final = sa.union_all(
    sa.select(
        events.c.event_id.label("known"),
        sa.null().label("user_id"),
        sa.null().label("device_id"),
        events.c.event_id.label("event_id"),
    ),
    # One column of the key is enough to find few: the caller looks its own up in the answer.
    sa.select(
        transactions.c.transaction_id,
        transactions.c.user_id,
        transactions.c.device_id,
        transactions.c.event_id,
    ),
).subquery("known")
_SELECT_KNOWN: Final = SelectByKeys(
    sa.select(_known.c.known, _known.c.user_id, _known.c.device_id, _known.c.event_id),
    _known.c.known,
)
_TRANSACTION_KEY: Final = (
    transactions.c.transaction_id,
    transactions.c.user_id,
    transactions.c.device_id,
)
_SELECT_TRANSACTIONS: Final = sa.select(
    *_TRANSACTION_KEY, transactions.c.event_id, transactions.c.timestamp_ms
)
_INSERT_TRANSACTION: Final = insert_into(transactions)
_DELETE_TRANSACTION: Final = Statement(
    sa.delete(transactions).where(
        transactions.c.transaction_id == sa.bindparam("of_transaction"),
        transactions.c.user_id == sa.bindparam("of_user"),
        transactions.c.device_id == sa.bindparam("of_device"),
    )
)
_SELECT_WAITING: Final = SelectByKeys(
    sa.select(waiting_redactions.c.target_event_id, waiting_redactions.c.redaction_event_id),
    waiting_redactions.c.target_event_id,
)
_INSERT_WAITING: Final = insert_new_into(waiting_redactions)
_DELETE_WAITING: Final = Statement(
    sa.delete(waiting_redactions).where(
        waiting_redactions.c.target_event_id == sa.bindparam("target")
    )
)


class MadeEvent(NamedTuple):
    """A transaction that is recognised, what it made and when."""

    transaction: Transaction
    event_id: EventID
    timestamp_ms: int


class EventStore:
    """Queries over events in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def select_events(self, event_ids: Collection[str]) -> dict[EventID, KnownEvent]:
        """Return those of the events that are stored, rejected ones and outliers included."""
        found: dict[EventID, KnownEvent] = {}
        for event_id, version, flags, raw, *rest in _SELECT_EVENTS.rows(
            self._connection, event_ids
        ):
            event = load_event(raw, room_version(version), event_id)
            found[event_id] = KnownEvent(event, Flags(flags), *rest)
        return found

    def select_redacted(self, event_ids: Collection[EventID]) -> set[EventID]:
        """Return those of the events that a redaction was applied to."""
        return {row[0] for row in _SELECT_REDACTED.rows(self._connection, event_ids)}

    def select_announced(self, room_id: str, after: int, limit: int) -> list[KnownEvent]:
        """Return the room's first events that were announced after this place, in that order."""
        rows = self._connection.execute(
            _SELECT_ANNOUNCED.limit(limit), {"room_id": room_id, "after": after}
        )
        return [
            KnownEvent(load_event(raw, room_version(version), event_id), Flags(flags), *rest)
            for event_id, version, flags, raw, *rest in rows
        ]

    def insert_events(self, known: Sequence[KnownEvent]) -> None:
        """Store new events."""
        _INSERT_EVENT.run_many_at_end(self._connection, map(_row, known))

    def insert_auth_edges(self, known: Iterable[KnownEvent]) -> None:
        """Store what new events cite that may be in auth chains."""
        _INSERT_AUTH_EDGE.run_many_at_end(
            self._connection,
            (
                {"event_id": one.event.event_id, "auth_event_id": auth_event_id}
                for one in known
                if one.event.is_state and not one.is_rejected
                for auth_event_id in dict.fromkeys(one.event.auth_event_ids)
            ),
        )

    def select_auth_chain(self, event_ids: Sequence[EventID], limit: int) -> list[EventID]:
        """Return at most `limit` events of the auth chains below the first few of these.

        The nearest come first.
        """
        starts = list(event_ids[:_MOST_STARTS])
        starts.extend(starts[-1:] * (_MOST_STARTS - len(starts)))
        values = {f"start{number}": start for number, start in enumerate(starts)}
        rows = _SELECT_AUTH_CHAIN.run(self._connection, {**values, "most": limit})
        return [row[0] for row in rows]

    def update_events(self, known: Sequence[KnownEvent]) -> None:
        """Replace stored events: verdict, snapshots, redaction."""
        _UPDATE_EVENT.run_many(
            self._connection, ({**_row(one), "of_event": one.event.event_id} for one in known)
        )

    def select_known(
        self, event_ids: Collection[EventID], wanted: Collection[Transaction]
    ) -> tuple[set[EventID], Mapping[Transaction, EventID]]:
        """Return which events are stored and what these transactions made, in one round trip."""
        found: set[EventID] = set()
        made: dict[Transaction, EventID] = {}
        keys = {*event_ids, *(one.transaction_id for one in wanted)}
        for key, user_id, device_id, event_id in _SELECT_KNOWN.rows(self._connection, keys):
            if user_id is None:
                found.add(event_id)
            else:
                made[Transaction(user_id, device_id, key)] = event_id
        return found, made

    def insert_transactions(self, made: Mapping[Transaction, EventID], timestamp_ms: int) -> None:
        """Remember which events the transactions made."""
        _INSERT_TRANSACTION.run_many_at_end(
            self._connection,
            (
                {
                    "user_id": one.user_id,
                    "device_id": one.device_id,
                    "transaction_id": one.transaction_id,
                    "event_id": event_id,
                    "timestamp_ms": timestamp_ms,
                }
                for one, event_id in made.items()
            ),
        )

    def select_transactions(self, after: Sequence[str], limit: int) -> list[MadeEvent]:
        """Return transactions with what they made, in the order of their keys.

        `after` is a key: transaction ID, user and device; from the first one on if it is empty.
        """
        query = page_after(_SELECT_TRANSACTIONS, _TRANSACTION_KEY, after, limit)
        return [
            MadeEvent(Transaction(user_id, device_id, transaction_id), event_id, timestamp_ms)
            for transaction_id, user_id, device_id, event_id, timestamp_ms in (
                self._connection.execute(query)
            )
        ]

    def delete_transactions(self, keys: Iterable[Transaction]) -> None:
        """Forget these transactions."""
        _DELETE_TRANSACTION.run_many(
            self._connection,
            (
                {
                    "of_transaction": one.transaction_id,
                    "of_user": one.user_id,
                    "of_device": one.device_id,
                }
                for one in keys
            ),
        )

    def select_waiting_redactions(
        self, targets: Collection[EventID]
    ) -> dict[EventID, list[EventID]]:
        """Return the redactions that came before these events, by event, in order of ID."""
        waiting: dict[EventID, list[EventID]] = {}
        for target, redaction in _SELECT_WAITING.rows(self._connection, targets):
            waiting.setdefault(target, []).append(redaction)
        for redactions in waiting.values():
            redactions.sort()
        return waiting

    def insert_waiting_redaction(self, target: EventID, redaction: EventID) -> None:
        """Let a redaction wait for its target; once is enough."""
        values = {"target_event_id": target, "redaction_event_id": redaction}
        _INSERT_WAITING.run(self._connection, values)

    def delete_waiting_redactions(self, target: EventID) -> None:
        """Forget redactions whose target has arrived."""
        _DELETE_WAITING.run(self._connection, {"target": target})


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
        "place": known.place,
        "changes": known.changes,
    }
