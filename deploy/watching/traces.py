"""Traces (OpenTelemetry): the way of a request, from the client through the log to the readers.

A trace is derived from the ID of the request, which travels anyway: see `base.tracing`. This module
is imported only where traces are on.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from base.tracing import current_request_id, trace_of
from deploy.settings import TracesSettings
from deploy.version import version
from internalapi.transport import PATH_PREFIX
from logs.consumer import Message

_log: Final = logging.getLogger(__name__)
_EXPORT_TIMEOUT_S: Final = 5.0
_SERVER_ERROR: Final = 500
_UNTRACED: Final = ("/health/", "/metrics")
"""Probes and Prometheus come all the time, and nobody waits for them."""
_ANSWERED: Final = ("ok", "refused")
_ids: Final = RandomIdGenerator()
_SCOPE: Final = InstrumentationScope("xylem", version())
_KEPT: Final = TraceFlags(TraceFlags.SAMPLED)
_FINE: Final = Status(StatusCode.UNSET)
_FAILED: Final = Status(StatusCode.ERROR)

Attributes = Mapping[str, str | int | float]


class Traces:
    """Makes spans of what it hears of requests, calls, appends and batches."""

    def __init__(self, processor: SpanProcessor, sample_ratio: float, resource: Resource) -> None:
        self._processor = processor
        self._sample_ratio = sample_ratio
        self._resource = resource

    def observe_answer(
        self, method: str, template: str, status: int, seconds: float, _asked: str = ""
    ) -> None:
        """Hear of an answer to a client or to another component (`base.http.Observer`)."""
        identity = current_request_id()
        if template.startswith(_UNTRACED) or not self._keeps(identity):
            return
        self._end(
            identity,
            f"{method} {template}".rstrip(),
            SpanKind.SERVER,
            seconds,
            {
                "http.request.method": method,
                "http.route": template,
                "http.response.status_code": status,
            },
            is_failed=status >= _SERVER_ERROR,
            is_root=not template.startswith(PATH_PREFIX),
        )

    def observe_call(self, api: str, method: str, outcome: str, seconds: float) -> None:
        """Hear of a call of another process (`internalapi.transport.call_metrics.CallObserver`)."""
        identity = current_request_id()
        if self._keeps(identity):
            self._end(
                identity,
                f"{api}.{method}",
                SpanKind.CLIENT,
                seconds,
                {"rpc.service": api, "rpc.method": method, "xylem.outcome": outcome},
                is_failed=outcome not in _ANSWERED,
            )

    def observe_append(self, topic: str, records: int, seconds: float, outage: str) -> None:
        """Hear of an append (`logs.append_metrics.AppendObserver`)."""
        identity = current_request_id()
        if self._keeps(identity):
            self._end(
                identity,
                f"append {topic}",
                SpanKind.PRODUCER,
                seconds,
                {"messaging.destination.name": topic, "messaging.batch.message_count": records},
                is_failed=bool(outage),
            )

    def observe_batch(
        self, consumer: str, topic: str, messages: Sequence[Message[Any]], seconds: float
    ) -> None:
        """Hear of a batch (`logs.consumer.counts.BatchObserver`): a span for each request in it."""
        now_ms = time_ns() // 1_000_000
        counts = Counter(getattr(message.value, "request_id", "") for message in messages)
        ages_ms = {
            getattr(message.value, "request_id", ""): now_ms - message.timestamp_ms
            for message in reversed(messages)
        }
        for identity, count in counts.items():
            if not self._keeps(identity):
                continue
            attributes = {
                "messaging.destination.name": topic,
                "messaging.consumer.group.name": consumer,
                "messaging.batch.message_count": count,
                "xylem.batch_records": len(messages),
                "xylem.age_ms": ages_ms[identity],
            }
            self._end(identity, f"{consumer} {topic}", SpanKind.CONSUMER, seconds, attributes)

    def close(self) -> None:
        """Send what waits, within a few seconds; it blocks."""
        self._processor.shutdown()

    def _keeps(self, identity: str) -> bool:
        """Whether what belongs to the request with this ID, or to none, is traced."""
        return bool(identity) and trace_of(identity).is_kept(self._sample_ratio)

    def _end(
        self,
        identity: str,
        name: str,
        kind: SpanKind,
        seconds: float,
        attributes: Attributes,
        *,
        is_failed: bool = False,
        is_root: bool = False,
    ) -> None:
        """Make the span of something that has just ended."""
        ended_ns = time_ns()
        trace = trace_of(identity)
        parent_id = trace.caller_span_id if is_root else trace.root_span_id
        span_id = trace.root_span_id if is_root else _ids.generate_span_id()
        span = ReadableSpan(
            name,
            context=SpanContext(trace.trace_id, span_id, is_remote=False, trace_flags=_KEPT),
            parent=None if parent_id is None else _remote(trace.trace_id, parent_id),
            resource=self._resource,
            attributes={"xylem.request_id": identity, **attributes},
            kind=kind,
            status=_FAILED if is_failed else _FINE,
            start_time=ended_ns - int(seconds * 1e9),
            end_time=ended_ns,
            instrumentation_scope=_SCOPE,
        )
        self._processor.on_end(span)


def _remote(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=_KEPT)


class _Telling(SpanExporter):
    """Says once that the collector takes no spans, and once that it takes them again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._is_away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those that are not taken are lost. Called by a thread of the SDK's."""
        result = self._exporter.export(spans)
        is_away = result is not SpanExportResult.SUCCESS
        if is_away and not self._is_away:
            _log.warning("The collector takes no traces")
        elif self._is_away and not is_away:
            _log.info("The collector takes traces again")
        self._is_away = is_away
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until all is sent."""
        return self._exporter.force_flush(timeout_millis)


def traces_of(settings: TracesSettings, components: Sequence[str]) -> Traces:
    """Return the traces of a process with these components, which are sent as the settings say."""
    is_one = len(components) == 1
    name = settings.service_name or (f"xylem-{components[0]}" if is_one else "xylem")
    resource = Resource.create(
        {"service.name": name, "service.version": version(), "xylem.components": [*components]}
    )
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=_EXPORT_TIMEOUT_S)
    return Traces(BatchSpanProcessor(_Telling(exporter)), settings.sample_ratio, resource)
