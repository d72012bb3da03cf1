"""Client sync: projects room events and account data, and serves them to clients."""
