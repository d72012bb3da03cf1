"""Repeatable load and latency measurements."""
