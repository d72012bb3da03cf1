"""Settings of the client API."""

import msgspec

from base.limits import Rate


class ClientApiSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the client API writes events, and how much one user may ask of it."""

    outcome_timeout_s: float = 30.0
    """How long a request waits for the room server's verdict before it answers 503."""
    announce_timeout_s: float = 10.0
    """How long a receipt or typing waits until every client sees it, before it is answered 503."""
    max_waiting_sends: int = 5_000
    """Most events that wait for their verdict at once; more are answered 429."""
    max_outcome_delay_s: float = 10.0
    """How long verdicts may take before sends are answered 429, once more than 100 wait."""
    remembered_transactions: int = 20_000
    """Most transaction IDs that are remembered, besides those under way."""
    max_chained_events: int = 500
    """Most events that are built one on another before the room server is asked again."""
    remembered_state_events: int = 10_000
    """Most state events of rooms that are remembered so that the next message needs no query."""
    max_invites_at_creation: int = 500
    """Most users that the creation of a room may invite."""
    max_initial_state_events: int = 500
    """Most state events that the creation of a room may bring along."""
    rooms_updated_at_once: int = 10
    """Rooms in which a new display name or avatar is announced at the same time."""
    forget_when_leaving: bool = False
    """Whether a user that leaves a room also forgets it."""
    max_mutual_rooms_page: int = 1000
    """Most rooms that one page of the rooms shared with another user shows."""
    guests_removed_at_once: int = 10
    """Guests who leave a room at the same time when it is closed to them."""
    max_public_rooms_page: int = 500
    """Most rooms that one page of the directory of public rooms shows."""
    max_to_device_users: int = 1000
    """Most users to whose devices one request may send."""

    send_rate_per_user: Rate | None = Rate(per_second=20, burst=200)
    """Messages, redactions and state changes of one user; `None` for no limit, as for the
    other rates."""
    to_device_rate_per_user: Rate | None = Rate(per_second=50, burst=1000)
    """Requests of one user that send to devices, which clients make for each 20 devices or so when
    keys of a room change."""
    join_rate_per_user: Rate | None = Rate(per_second=1, burst=50)
    """Joins and knocks of one user."""
    invite_rate_per_user: Rate | None = Rate(per_second=2, burst=100)
    """Invites that one user sends, those at the creation of a room included."""
    creation_rate_per_user: Rate | None = Rate(per_second=0.5, burst=30)
    """Rooms that one user creates or upgrades."""
    directory_rate_per_address: Rate | None = Rate(per_second=2, burst=50)
    """Pages of the directory of public rooms for one network address without an access token."""
    request_rate_per_user: Rate | None = Rate(per_second=20, burst=200)
    """Joins, leaves, invites, receipts, typing, changes of the profile and the like of one user,
    those that change nothing included."""
