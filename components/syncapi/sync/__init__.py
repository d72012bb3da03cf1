"""GET /sync: what changed for a user between two positions, as bytes."""
