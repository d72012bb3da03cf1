"""Events that are no part of a room's history: who is typing."""
