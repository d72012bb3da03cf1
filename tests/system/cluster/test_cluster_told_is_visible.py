"""What is told is visible in a cluster too, at each replica."""

from tests.system.test_told_is_visible import *  # noqa: F403 (every test of it)
