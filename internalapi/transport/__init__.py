"""Internal APIs over HTTP: server and client derived from the Protocol that defines an API.

The client is `internalapi.transport.client`. It is not imported here: its HTTP library costs a
process that asks nobody a tenth of its memory.
"""

from internalapi.transport.call_metrics import CallMetrics
from internalapi.transport.errors import (
    ApiMismatch,
    ApiSecretRefused,
    ApiUnavailable,
    InternalError,
)
from internalapi.transport.late import LateApi
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
    "LateApi",
    "NotAnApi",
    "Replicas",
    "Shares",
    "api_router",
]
