"""Fixtures of tests in which other programs speak to the server."""

from tests.system.conftest import server

__all__ = ["server"]
