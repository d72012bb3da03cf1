"""What all tests may use, and what holds for all of them."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.fixtures import shared_cluster, skips, steady_reports
from tests.fixtures.bucket_server import bucket_server
from tests.fixtures.kafka_broker import kafka_broker, kafka_process
from tests.fixtures.postgres import postgres_module_url, postgres_server, postgres_url

__all__ = [
    "bucket_server",
    "kafka_broker",
    "kafka_process",
    "postgres_module_url",
    "postgres_server",
    "postgres_url",
]

# A busy machine makes examples slow, which says nothing about the code. On CI there is time for
# more of them.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), max_examples=100)
settings.register_profile("dev", settings.get_profile("dev"), max_examples=40)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_configure(config: pytest.Config) -> None:
    """Add what holds for the reports of all tests."""
    config.pluginmanager.register(skips)
    config.pluginmanager.register(shared_cluster)
    config.pluginmanager.register(steady_reports)
