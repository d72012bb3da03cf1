"""The HTTP surface of client sync, one module per group of endpoints."""
