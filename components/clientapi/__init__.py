"""The client API: every client request that changes rooms, written to the log."""
