"""Timelines of rooms: pages of events, who may see them, and how they are shown."""
