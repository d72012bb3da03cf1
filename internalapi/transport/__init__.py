"""Internal APIs over HTTP: server and client derived from the Protocol that defines an API."""

from internalapi.transport.call_metrics import CallMetrics
from internalapi.transport.client import api_client, open_session
from internalapi.transport.errors import (
    ApiMismatch,
    ApiSecretRefused,
    ApiUnavailable,
    InternalError,
)
from internalapi.transport.replicas import Replicas
from internalapi.transport.server import api_router
from internalapi.transport.shares import Shares
from internalapi.transport.signatures import NotAnApi
from internalapi.transport.wire import PATH_PREFIX

__all__ = [
    "PATH_PREFIX",
    "ApiMismatch",
    "ApiSecretRefused",
    "ApiUnavailable",
    "CallMetrics",
    "InternalError",
    "NotAnApi",
    "Replicas",
    "Shares",
    "api_client",
    "api_router",
    "open_session",
]
