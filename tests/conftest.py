"""What all tests may use, and what holds for all of them."""

from hypothesis import HealthCheck, settings

from tests.fixtures.kafka_broker import kafka_broker, kafka_process
from tests.fixtures.no_skips_on_ci import pytest_make_collect_report, pytest_runtest_makereport
from tests.fixtures.postgres import postgres_module_url, postgres_server, postgres_url

__all__ = [
    "kafka_broker",
    "kafka_process",
    "postgres_module_url",
    "postgres_server",
    "postgres_url",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
]

# A busy machine makes examples slow, which says nothing about the code.
settings.register_profile("xylem", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("xylem")
