"""The Matrix protocol, pure: events, room versions, authorisation, state resolution."""
