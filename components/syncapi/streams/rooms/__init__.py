"""The stream of rooms: timelines, state, memberships."""
