"""Metrics live in the registry that they were given, and are read when somebody looks."""

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from base.http import Request, Response, Router, application, empty_response
from base.http.testing import Client
from base.metrics import Distribution, Family, HttpMetrics, Reading, Sources, sizes_of

EVENTS = Family("xylem_events_total", "counter", "Events processed.", ("outcome",))
LAG = Family("xylem_lag_records", "gauge", "Records behind.")
BATCH = Family("xylem_batch_seconds", "histogram", "Time per batch.")


def test_numbers_are_read_when_somebody_looks() -> None:
    sources = Sources()
    rejected = 0
    times = Distribution((0.01, 0.1))

    def source() -> Iterator[Reading]:
        yield Reading(EVENTS, ("rejected",), rejected)
        yield Reading(LAG, (), 7)
        yield Reading(BATCH, (), times)

    sources.add(source)
    rejected = 3
    for value in (0.02, 0.1, 5):
        times.observe(value)

    assert sources.exposition().decode().splitlines() == [
        "# HELP xylem_events_total Events processed.",
        "# TYPE xylem_events_total counter",
        'xylem_events_total{outcome="rejected"} 3',
        "# HELP xylem_lag_records Records behind.",
        "# TYPE xylem_lag_records gauge",
        "xylem_lag_records 7",
        "# HELP xylem_batch_seconds Time per batch.",
        "# TYPE xylem_batch_seconds histogram",
        'xylem_batch_seconds_bucket{le="0.01"} 0',
        'xylem_batch_seconds_bucket{le="0.1"} 2',
        'xylem_batch_seconds_bucket{le="+Inf"} 3',
        "xylem_batch_seconds_count 3",
        "xylem_batch_seconds_sum 5.12",
    ]


def test_prometheus_reads_what_is_written() -> None:
    times = Distribution((0.01, 0.1))
    times.observe(0.05)
    sources = Sources()
    sources.add(lambda: [Reading(EVENTS, ('a "b" \\ c\n',), 2), Reading(BATCH, (), times)])

    families = list(text_string_to_metric_families(sources.exposition().decode()))

    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    assert samples["xylem_events_total", 'a "b" \\ c\n'] == 2
    assert samples["xylem_batch_seconds_bucket", "0.1"] == 1
    assert [family.type for family in families] == ["counter", "histogram"]


def test_a_family_of_several_sources_is_shown_once() -> None:
    sources = Sources()
    sources.add(sizes_of("syncapi", {"users": {"alice": 1}}))
    sources.add(sizes_of("clientapi", {"transactions": [1, 2]}))

    text = sources.exposition().decode()

    assert text.count("# TYPE xylem_cache_entries gauge") == 1
    assert 'xylem_cache_entries{component="syncapi",cache="users"} 1' in text
    assert 'xylem_cache_entries{component="clientapi",cache="transactions"} 2' in text


async def test_answers_are_counted_by_route_and_status() -> None:
    async def handler(_request: Request) -> Response:
        return empty_response()

    metrics = HttpMetrics()
    router = Router()
    router.get("/rooms/{room_id}", handler)
    client = Client(application([router], observe=metrics))

    for room in ("a", "b"):
        await client.get(f"/rooms/{room}")
    for method in ("FOO", "BAR"):
        await client.request(method, "/nowhere")

    counted = {
        reading.labels: reading.value.count
        for reading in metrics.readings()
        if isinstance(reading.value, Distribution)
    }
    assert counted == {("GET", "/rooms/{room_id}", "200"): 2, ("", "", "404"): 2}
