"""Relations between events: what is bundled with them, threads, and what relates to an event."""
