"""Entering, leaving and forgetting rooms, and inviting, removing and banning others."""
