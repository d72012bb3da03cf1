"""Profiles: changed, and shown in the rooms of their users."""
