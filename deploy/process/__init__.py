"""The life of a server process: what it opens, runs, keeps small and closes."""
