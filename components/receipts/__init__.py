"""Receipts and fully-read markers: which move, and where they stand."""
