"""What clients may read of a room, and how it is rendered."""
