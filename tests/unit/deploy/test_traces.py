"""The spans that a process makes of what it hears."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from base.tracing import request_id, trace_of
from deploy.watching.traces import Traces

SEND = "/_matrix/client/v3/rooms/{room_id}/send/{event_type}/{transaction_id}"


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(exported: InMemorySpanExporter) -> Traces:
    return Traces(SimpleSpanProcessor(exported), 1.0, Resource({}))


@pytest.fixture(autouse=True)
def identity() -> Iterator[str]:
    """The ID of the request that is served."""
    token = request_id.set("a1b2c3d47")
    yield "a1b2c3d47"
    request_id.reset(token)


def test_what_belongs_to_a_request_is_a_child_of_its_span(
    traces: Traces, exported: InMemorySpanExporter, identity: str
) -> None:
    traces.observe_append("InputRoomEvent", 1, 0.001, "")
    traces.observe_call("RoomQueries", "query_state", "ok", 0.002)
    traces.observe_answer("POST", "/internal/roomserver/RoomQueries/query_state", 200, 0.001)
    traces.observe_answer("PUT", SEND, 200, 0.005)

    *children, root = exported.get_finished_spans()
    assert (root.name, root.parent) == (f"PUT {SEND}", None)
    assert {span.context.trace_id for span in (root, *children)} == {trace_of(identity).trace_id}
    assert {span.parent.span_id for span in children if span.parent} == {root.context.span_id}
    assert len({span.context.span_id for span in (root, *children)}) == 4
    assert all(span.start_time and span.end_time for span in (root, *children))


def test_failures_are_marked(traces: Traces, exported: InMemorySpanExporter) -> None:
    traces.observe_append("InputRoomEvent", 1, 0.001, "the broker is away")
    traces.observe_call("RoomQueries", "query_state", "unavailable", 0.002)
    traces.observe_answer("PUT", SEND, 503, 0.005)
    traces.observe_call("RoomQueries", "query_state", "refused", 0.002)
    traces.observe_answer("PUT", SEND, 403, 0.005)

    codes = [span.status.status_code for span in exported.get_finished_spans()]
    assert codes == [StatusCode.ERROR] * 3 + [StatusCode.UNSET] * 2


def test_probes_and_what_belongs_to_no_request_are_not_traced(
    traces: Traces, exported: InMemorySpanExporter
) -> None:
    traces.observe_answer("GET", "/health/ready", 200, 0.001)
    traces.observe_answer("GET", "/metrics", 200, 0.001)
    token = request_id.set("")
    traces.observe_append("OutputRoomEvent", 1, 0.001, "")
    request_id.reset(token)

    assert exported.get_finished_spans() == ()


def test_all_processes_keep_the_same_part_of_the_requests() -> None:
    kept: list[set[int]] = []
    for _ in range(2):
        exported = InMemorySpanExporter()
        traces = Traces(SimpleSpanProcessor(exported), 0.25, Resource({}))
        for number in range(400):
            token = request_id.set(f"a1b2c3d4{number:x}")
            traces.observe_append("InputRoomEvent", 1, 0.001, "")
            request_id.reset(token)
        kept.append({span.context.trace_id for span in exported.get_finished_spans()})

    assert kept[0] == kept[1]
    assert 50 < len(kept[0]) < 150
