"""The HTTP surface of the user API, by topic."""
