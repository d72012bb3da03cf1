"""Spaces, and rooms as those see them who are not in them."""
