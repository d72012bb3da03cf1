"""The trace of a message, as a collector of OpenTelemetry gets it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.system.client import V3, Homeserver, is_told, send_path
from tests.system.server_process import SHARED_SECRET, ServerProcess, environment

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SEND = f"PUT {V3}/rooms/{{room_id}}/send/{{event_type}}/{{transaction_id}}"


class Collector(ThreadingHTTPServer):
    """Takes spans."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.spans: list[Span] = []
        self.services: set[str] = set()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"

    def trace_with(self, name: str) -> list[Span]:
        """Return the newest trace with a span of this name."""
        found = [span.trace_id for span in self.spans if span.name == name]
        return [span for span in self.spans if span.trace_id == found[-1]]


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            for attribute in part.resource.attributes:
                if attribute.key == "service.name":
                    self.server.services.add(attribute.value.string_value)
            for scope in part.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its word)
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


async def send_a_message(
    folder: Path, http: aiohttp.ClientSession, traces: dict[str, Any]
) -> ServerProcess:
    """Let a server run until a message with a `traceparent` has reached its sender."""
    process = ServerProcess(folder, {"observing": {"traces": traces}})
    process.start()
    try:
        server = Homeserver(http, lambda: process.url, shared_secret=SHARED_SECRET)
        alice = await server.register("alice")
        room_id = await alice.create_room()
        since = (await alice.sync())["next_batch"]
        async with http.put(
            f"{process.url}{V3}{send_path(room_id, 'one')}",
            json={"msgtype": "m.text", "body": "hello"},
            headers={"Authorization": f"Bearer {alice.token}", "traceparent": TRACEPARENT},
        ) as answer:
            event_id = (await answer.json())["event_id"]
        await alice.sync_until(since, is_told(room_id, event_id))
        assert process.stop() == 0
    finally:
        process.kill()
    return process


async def test_the_trace_of_a_message_goes_from_its_request_to_its_readers(
    tmp_path: Path, http: aiohttp.ClientSession, collector: Collector
) -> None:
    await send_a_message(tmp_path, http, {"endpoint": collector.endpoint})

    spans = collector.trace_with(SEND)
    assert collector.services == {"xylem"}
    assert {span.name for span in spans} == {
        SEND,
        "append InputRoomEvent",
        "roomserver InputRoomEvent",
        "syncapi OutputRoomEvent",
    }
    (request,) = [span for span in spans if span.name == SEND]
    assert request.parent_span_id == b""
    assert request.trace_id.hex() not in TRACEPARENT
    others = [span for span in spans if span is not request]
    assert {span.parent_span_id for span in others} == {request.span_id}
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)


async def test_a_trace_that_the_client_began_goes_on_where_that_is_set(
    tmp_path: Path, http: aiohttp.ClientSession, collector: Collector
) -> None:
    traces = {"endpoint": collector.endpoint, "sample_ratio": 0, "continue_traces": True}
    await send_a_message(tmp_path, http, traces)

    _, trace_id, span_id, _ = TRACEPARENT.split("-")
    assert {span.trace_id.hex() for span in collector.spans} == {trace_id}
    (request,) = [span for span in collector.spans if span.name == SEND]
    assert request.parent_span_id.hex() == span_id
    assert "syncapi OutputRoomEvent" in {span.name for span in collector.spans}


async def test_a_collector_that_is_away_is_told_of_once(
    tmp_path: Path, http: aiohttp.ClientSession, collector: Collector
) -> None:
    endpoint = collector.endpoint.replace(f":{collector.server_address[1]}/", ":1/")
    process = await send_a_message(tmp_path, http, {"endpoint": endpoint})

    told = [line for line in process.lines if line.get("level") in {"warning", "error"}]
    assert [line["message"] for line in told if "ollector" in line["message"]] == [
        "The collector takes no traces"
    ]
    assert not [line for line in told if line["logger"].startswith("opentelemetry")]


def test_without_the_extra_a_server_with_traces_does_not_start(tmp_path: Path) -> None:
    absent = tmp_path / "absent" / "opentelemetry"
    (absent / "sdk").mkdir(parents=True)
    (absent / "__init__.py").write_text(
        "import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n"
    )
    (absent / "sdk" / "__init__.py").write_text("raise ImportError('no opentelemetry.sdk')\n")
    server = ServerProcess(
        tmp_path, {"observing": {"traces": {"endpoint": "http://localhost:4318/v1/traces"}}}
    )
    known = environment()
    path = os.pathsep.join([str(absent.parent), known["PYTHONPATH"]])

    ended = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "monolith", "--config", str(server.config_path)],
        cwd=tmp_path,
        env=known | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode != 0
    assert (
        "Traces need OpenTelemetry, which is not installed: no opentelemetry.sdk." in ended.stderr
    )
    assert "extra `otel`" in ended.stderr
    assert "Traceback" not in ended.stderr
