"""The user API: accounts, passwords, tokens, devices, profiles, account data and filters."""
