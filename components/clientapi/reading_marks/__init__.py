"""Receipts, read markers and typing, as they are written to their topics."""
