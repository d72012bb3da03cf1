"""Dehydrated devices in a cluster, asked for at each replica of client sync."""

from tests.system.test_dehydrated_devices import *  # noqa: F403 (every test of it)
