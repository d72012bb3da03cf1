"""What a batch of room records does to the tables, in a few statements, and to memory."""

from base.database import Connection
from components.syncapi.changes import MembershipChange, RoomNews
from components.syncapi.event_relation import event_relation
from components.syncapi.room_event import (
    RoomEvent,
    unsigned_of_redacted,
    with_prev_content,
)
from components.syncapi.store.events import (
    insert_state_events,
    insert_timeline,
    select_events,
    select_oldest_order,
    select_replacing,
    select_thread_roots,
    update_json,
)
from components.syncapi.store.forgotten import upsert_forgotten
from components.syncapi.store.membership import (
    select_membership,
    select_memberships_of_events,
    upsert_invites,
    upsert_memberships,
)
from components.syncapi.store.mentions import Mention, delete_mentions, insert_mentions
from components.syncapi.store.relations import delete_relations, insert_relations
from components.syncapi.store.state import insert_changes
from components.syncapi.streams.rooms.records import Batch, Redaction
from matrix.client_events import client_event_json
from matrix.push_rules.classes import NAMES_USERS, redacted_class


def write_batch(connection: Connection, batch: Batch) -> RoomNews:
    """Write a batch of one partition. What was written before is left as it is."""
    if batch.relations:
        _find_threads(connection, batch)
    repeated = insert_timeline(connection, [addition.event for addition in batch.additions])
    if repeated:
        batch.additions = [
            addition for addition in batch.additions if addition.event.order not in repeated
        ]
    changing = batch.in_order()
    insert_state_events(connection, [event for each in changing for event in each.state_events])
    insert_changes(connection, [change for each in changing for change in each.changes])
    memberships = _write_memberships(connection, batch)
    upsert_forgotten(connection, batch.forgotten)
    fresh = _write_old_events(connection, batch.old_events)
    if batch.relations:
        _write_relations(connection, batch, fresh)
    if batch.mentions:
        _write_mentions(connection, batch)
    rewritten = _write_redactions(connection, batch.redactions)
    events = [addition.event for addition in batch.additions]
    state_only = [(one.room_id, one.order) for one in batch.state_only]
    return RoomNews(events, memberships, rewritten, batch.next_offset, state_only)


def _find_threads(connection: Connection, batch: Batch) -> None:
    """Put events into the threads of what they relate to (client-server API, "Threading").

    What they relate to has its own thread already, so that one step is enough.
    """
    relations = batch.relations
    related = [
        addition.event
        for addition in batch.additions
        if addition.event.event_id in relations
        and addition.event.thread_root is None
        and addition.event.state_key is None
    ]
    if not related:
        return
    roots = select_thread_roots(
        connection, {relations[event.event_id].parent_id for event in related}
    )
    for addition in batch.additions:
        event = addition.event
        if event.thread_root is None and event.event_id in relations and event.state_key is None:
            event.thread_root = roots.get(relations[event.event_id].parent_id)
        if event.thread_root is not None:
            roots[event.event_id] = event.thread_root


def _write_memberships(connection: Connection, batch: Batch) -> list[MembershipChange]:
    changes = batch.membership_changes()
    if not (changes or batch.invites or batch.retired):
        return changes
    unknown = [change.event_id for change in changes if change.membership is None]
    if unknown:
        found = select_memberships_of_events(connection, unknown)
        for change in changes:
            if change.membership is None:
                change.membership = found.get(change.event_id, "leave")
    invites = [invite for invite in batch.invites if not _is_joined(connection, invite.change)]
    changes += [invite.change for invite in invites]
    changes.sort(key=lambda change: change.stream_order)
    upsert_memberships(connection, changes)
    upsert_invites(connection, [(invite.change, invite.invite_state) for invite in invites])
    return changes + _retire_invites(connection, batch.retired)


def _is_joined(connection: Connection, invite: MembershipChange) -> bool:
    # After a rebuild an invite may come after the join that it led to.
    now = select_membership(connection, invite.user_id, invite.room_id)
    return now is not None and now.membership == "join"


def _retire_invites(
    connection: Connection, retired: list[MembershipChange]
) -> list[MembershipChange]:
    ended: list[MembershipChange] = []
    for change in retired:
        now = select_membership(connection, change.user_id, change.room_id)
        # Whoever joined meanwhile is not concerned; nor is a newer invite, which this record may
        # come after, as it comes from elsewhere.
        if now is None or now.membership != "invite" or now.event_id != change.event_id:
            continue
        upsert_memberships(connection, [change])
        ended.append(change)
    return ended


def _write_old_events(connection: Connection, events: list[RoomEvent]) -> list[RoomEvent]:
    """Put backfilled events before the room's first event, each before the one before it.

    Returns those that were not in the timeline yet.
    """
    if not events:
        return []
    stored = select_events(connection, [event.event_id for event in events])
    oldest: dict[str, int] = {}
    fresh: dict[str, RoomEvent] = {}
    for event in events:
        known = stored.get(event.event_id)
        if event.event_id in fresh or (known is not None and known.stream_order is not None):
            continue
        before = oldest.get(event.room_id)
        if before is None:
            before = min(select_oldest_order(connection, event.room_id) or 0, 0)
        event.stream_order = oldest[event.room_id] = before - 1
        fresh[event.event_id] = event
    insert_timeline(connection, list(fresh.values()))
    return list(fresh.values())


def _write_relations(connection: Connection, batch: Batch, old_events: list[RoomEvent]) -> None:
    """Keep the relations of those events that entered the timeline with this batch."""
    events = [*(addition.event for addition in batch.additions), *old_events]
    insert_relations(
        connection,
        [
            event_relation(event, batch.relations[event.event_id])
            for event in events
            if event.event_id in batch.relations
        ],
    )


def _write_mentions(connection: Connection, batch: Batch) -> None:
    """Keep whom the new events mention, once their threads are known."""
    mentions = [
        Mention(
            event.room_id,
            user_id,
            event.order,
            event.event_id,
            event.sender,
            event.push_class,
            event.thread_root,
        )
        for event in [addition.event for addition in batch.additions]
        for user_id in batch.mentions.get(event.event_id, ())
    ]
    insert_mentions(connection, mentions)


def _write_redactions(connection: Connection, redactions: list[Redaction]) -> list[RoomEvent]:
    if not redactions:
        return []
    redacted_ids = [redaction.redacted.event_id for redaction in redactions]
    delete_relations(connection, redacted_ids)
    stored = select_events(connection, redacted_ids)
    naming = [one.event_id for one in stored.values() if one.push_class >= NAMES_USERS]
    delete_mentions(connection, naming)
    replacing = {event.event_id: event for event in select_replacing(connection, redacted_ids)}
    rewritten: dict[str, RoomEvent] = {}
    for redaction in redactions:
        redacted = redaction.redacted
        event = stored.get(redacted.event_id)
        if event is not None:
            event.json = client_event_json(redacted)
            event.push_class = redacted_class(event.push_class)
            event.unsigned = unsigned_of_redacted(
                event.room_id, redaction.redaction, event.replaces
            )
            rewritten[event.event_id] = event
        for later in replacing.values():
            if later.replaces == redacted.event_id:
                shown = rewritten.setdefault(later.event_id, later)
                shown.unsigned = with_prev_content(shown.unsigned, redacted.content)
    update_json(connection, list(rewritten.values()))
    return list(rewritten.values())
