"""The tables of the key server."""
