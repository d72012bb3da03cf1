"""What a running process shows of itself: probes for its keepers, numbers for Prometheus."""

from prometheus_client import CollectorRegistry
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from base.http import Request, Response, Router, json_response
from base.metrics import exposition
from deploy.readiness import Readiness


def process_registry() -> CollectorRegistry:
    """Return a registry with the numbers of this process: memory, CPU, open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def metrics_router(registry: CollectorRegistry) -> Router:
    """Return the route from which Prometheus reads."""
    router = Router()

    async def metrics(_request: Request) -> Response:
        return Response(
            exposition(registry), content_type=b"text/plain; version=0.0.4; charset=utf-8"
        )

    router.add("GET", "/metrics", metrics)
    return router


def health_router(readiness: Readiness) -> Router:
    """Return the probes: `live` while the process turns, `ready` while it takes requests."""
    router = Router()

    async def live(_request: Request) -> Response:
        return json_response({"live": True})

    async def ready(_request: Request) -> Response:
        if readiness.is_ready:
            return json_response({"ready": True})
        if readiness.is_stopping:
            return json_response({"ready": False, "stopping": True}, status=503)
        return json_response({"ready": False, "missing": readiness.missing}, status=503)

    router.add("GET", "/health/live", live)
    router.add("GET", "/health/ready", ready)
    return router
