"""Client sync: the reader that projects room events and account data, and serves them to clients."""
