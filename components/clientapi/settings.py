"""Settings of the client API."""

from typing import Literal

import msgspec


class ClientApiSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the client API writes events."""

    answer_sends: Literal["processed", "durable"] = "processed"
    """When a send is answered: once the room server has processed it, or once the log has it."""
    outcome_timeout_s: float = 30.0
    """How long a request waits for the room server's verdict before it answers 503."""
    max_waiting_sends: int = 5_000
    """Most events that wait for their verdict at once; more are answered 429."""
    remembered_transactions: int = 50_000
    """Most transaction IDs that are remembered, besides those under way."""
    max_chained_events: int = 500
    """Most events that are built one on another before the room server is asked again."""
