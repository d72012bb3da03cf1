"""What can be set of client sync."""

import msgspec

from base.limits import Rate


class SyncApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of time and memory of client sync."""

    max_timeout_s: int = 60
    """Seconds that a /sync may wait at most, whatever the client asks for."""
    default_timeline_limit: int = 10
    """Events per room in /sync where the filter names no limit."""
    to_device_messages: int = 100
    """Messages to a device in one /sync; the rest follow in the next one."""
    queued_to_device_messages: int = 10_000
    """Messages that wait for one device; the oldest are dropped when there are a tenth more."""
    remembered_devices: int = 100_000
    """Devices of which memory knows that no message waits for them, and in each partition those
    that were sent one; some 200 bytes each."""
    max_timeline_limit: int = 100
    """Events per room in /sync at most."""
    max_page_limit: int = 1000
    """Events in one answer of /messages or /context at most."""
    max_hierarchy_page: int = 50
    """Rooms in one answer of /hierarchy at most."""
    max_hierarchy_depth: int = 50
    """How deep /hierarchy goes into a space at most, spaces in spaces."""
    max_space_children: int = 1000
    """Children of one space that /hierarchy looks at."""
    max_hierarchy_children: int = 5000
    """Children of all spaces together that one answer of /hierarchy looks at."""
    summary_rate_per_address: Rate | None = Rate(per_second=2, burst=50)
    """Summaries of rooms for one network address without an access token; `None` for no limit."""
    request_rate_per_user: Rate | None = Rate(per_second=10, burst=100)
    """Spaces, lists of threads, events by their time and reports of rooms that one user asks for;
    `None` for no limit."""
    max_scanned_events: int = 5000
    """Events that one /messages reads at most while it looks for those that match a filter."""
    recent_events_bytes: int = 16 * 1024 * 1024
    """Bytes of the newest events kept in memory, from which long polls are answered."""
    recent_receipts: int = 50_000
    """Receipts that moved last, kept in memory, from which long polls are answered."""
    recent_key_changes: int = 20_000
    """Changes of users' keys kept in memory, from which long polls are answered."""
    cached_key_counts: int = 100_000
    """Devices of which memory knows how many keys can be claimed; some 400 bytes each."""
    recent_typing_rooms: int = 10_000
    """Rooms per partition whose typing users are kept in memory."""
    cached_memberships: int = 400_000
    """Memberships of syncing users kept in memory, some 300 bytes each; those of idle users make
    room. Where users who wait have more of them, they take turns, and hear of news later."""
    cached_summaries: int = 20_000
    """Rooms whose numbers of members and heroes are kept in memory."""
    cached_unread_counts: int = 200_000
    """Unread notifications that are kept counted in memory; a user's room without any counts 1."""
    unread_window: int = 500
    """Unread events of a room that are looked at for users whose push rules look into them, and
    notifications of others that are remembered one by one. All processes need the same."""
    cached_push_rules: int = 10_000
    """Users whose push rules are kept compiled in memory."""
    cached_filters: int = 10_000
    """Parsed filters of up to 256 bytes kept in memory; a larger one counts as several."""
    cached_lazy_rooms: int = 20_000
    """Pairs of device and room whose lazily loaded members are remembered as sent."""
    max_long_polls: int = 50_000
    """Requests of /sync that may wait at once; further ones are answered 429."""
    max_long_polls_per_user: int = 100
    """Requests of one user that may wait at once; a further one ends the oldest."""
    read_your_writes_timeout_s: float = 5.0
    """Seconds that a reader waits for the projection to reach what was written before it asked."""
    followed_bytes: int = 16 * 1024 * 1024
    """Bytes of records per topic that wait in memory until another process has projected them;
    those over it are read again."""
