"""Metrics live in the registry that they were given, under the component's name."""

from prometheus_client import CollectorRegistry

from base.http import Request, Response, Router, application, empty_response
from base.http.testing import Client
from base.metrics import HttpMetrics, Metrics, exposition


def test_metrics_carry_their_component_and_labels() -> None:
    registry = CollectorRegistry()
    metrics = Metrics("roomserver", registry)

    metrics.counter("events", "Events processed", ("outcome",)).labels("rejected").inc(3)
    metrics.gauge("lag", "Records behind").set(7)
    metrics.seconds("batch_seconds", "Time per batch").observe(0.02)

    assert registry.get_sample_value("xylem_roomserver_events_total", {"outcome": "rejected"}) == 3
    text = exposition(registry).decode()
    assert "xylem_roomserver_lag 7.0" in text
    assert "xylem_roomserver_batch_seconds_count 1.0" in text


def test_two_registries_share_nothing() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    Metrics("a", first).counter("x", "X").inc()
    Metrics("a", second).counter("x", "X")

    assert second.get_sample_value("xylem_a_x_total") == 0


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
