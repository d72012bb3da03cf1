"""The room server: the only authority on rooms, their events and their state."""
