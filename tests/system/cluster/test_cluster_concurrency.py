"""Many clients at once, as they use the monolith, in a cluster."""

from tests.system.test_concurrency import *  # noqa: F403 (every test of it)
