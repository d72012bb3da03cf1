"""A whole cluster on one machine: for trying things out, for tests and for measuring."""
