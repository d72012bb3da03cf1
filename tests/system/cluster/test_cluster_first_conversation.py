"""The story of a conversation, as it is told of the monolith, in a cluster."""

from tests.system.test_first_conversation import *  # noqa: F403 (every test of it)
