"""The endpoints of the client API: parse, call, answer."""
