"""Rooms that are created, upgraded and replaced."""
