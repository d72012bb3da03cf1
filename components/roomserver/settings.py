"""Settings of the room server."""

import msgspec


class RoomServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much the room server keeps in memory and takes at once."""

    max_batch_events: int = 200
    """Most input records that one database transaction processes."""
    cached_rooms: int = 2_000
    """Rooms per partition whose latest events and version stay in memory."""
    cached_events: int = 10_000
    """Events per partition that stay in memory, mostly state, for authorisation."""
    cached_state_nodes: int = 20_000
    """Nodes of state snapshots per partition that stay in memory."""
    max_aliases_per_user: int = 1000
    """Aliases of this server that one user may have made; further ones are refused."""
    max_latest_events: int = 20
    """Most prev events that a new event is offered; others wait for the next event."""
