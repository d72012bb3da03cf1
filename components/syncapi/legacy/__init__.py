"""Endpoints that the specification has deprecated; nothing else depends on what is here."""
