"""Metrics live in the registry that they were given, and are read when somebody looks."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry

from base.http import Request, Response, Router, application, empty_response
from base.http.testing import Client
from base.metrics import Distribution, Family, HttpMetrics, Reading, Sources, exposition, sizes_of

EVENTS = Family("xylem_events_total", "counter", "Events processed.", ("outcome",))
LAG = Family("xylem_lag_records", "gauge", "Records behind.")
BATCH = Family("xylem_batch_seconds", "histogram", "Time per batch.")


def test_numbers_are_read_when_somebody_looks() -> None:
    registry = CollectorRegistry()
    rejected = 0
    times = Distribution((0.01, 0.1))

    def source() -> Iterator[Reading]:
        yield Reading(EVENTS, ("rejected",), rejected)
        yield Reading(LAG, (), 7)
        yield Reading(BATCH, (), times)

    Sources(registry).add(source)
    rejected = 3
    for value in (0.02, 0.1, 5):
        times.observe(value)

    assert registry.get_sample_value("xylem_events_total", {"outcome": "rejected"}) == 3
    text = exposition(registry).decode()
    assert "xylem_lag_records 7.0" in text
    assert 'xylem_batch_seconds_bucket{le="0.01"} 0.0' in text
    assert 'xylem_batch_seconds_bucket{le="0.1"} 2.0' in text
    assert 'xylem_batch_seconds_bucket{le="+Inf"} 3.0' in text
    assert "xylem_batch_seconds_count 3.0" in text
    assert "xylem_batch_seconds_sum 5.12" in text


def test_a_family_of_several_sources_is_shown_once() -> None:
    registry = CollectorRegistry()
    sources = Sources(registry)
    sources.add(sizes_of("syncapi", {"users": {"alice": 1}}))
    sources.add(sizes_of("clientapi", {"transactions": [1, 2]}))

    text = exposition(registry).decode()

    assert text.count("# TYPE xylem_cache_entries gauge") == 1
    assert 'xylem_cache_entries{cache="users",component="syncapi"} 1.0' in text
    assert 'xylem_cache_entries{cache="transactions",component="clientapi"} 2.0' in text


def test_two_registries_share_nothing() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    Sources(first).add(lambda: [Reading(LAG, (), 1)])
    Sources(second)

    assert first.get_sample_value("xylem_lag_records") == 1
    assert second.get_sample_value("xylem_lag_records") is None


async def test_answers_are_counted_by_route_and_status() -> None:
    async def handler(_request: Request) -> Response:
        return empty_response()

    registry = CollectorRegistry()
    router = Router()
    router.get("/rooms/{room_id}", handler)
    client = Client(application([router], observe=HttpMetrics(registry)))

    for room in ("a", "b"):
        await client.get(f"/rooms/{room}")
    for method in ("FOO", "BAR"):
        await client.request(method, "/nowhere")

    name = "xylem_http_request_seconds_count"
    known = {"method": "GET", "route": "/rooms/{room_id}", "status": "200"}
    assert registry.get_sample_value(name, known) == 2
    assert registry.get_sample_value(name, {"method": "", "route": "", "status": "404"}) == 2
