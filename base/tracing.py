"""Which request the running code serves, so that every log line can say it.

The ID is made where a request comes in, travels with calls of internal APIs and inside records,
and is known again by whoever reads them. A trace (OpenTelemetry) is derived from it alone: nothing
else has to travel, and nothing is paid where traces are off.
"""

from contextvars import ContextVar
from typing import Final

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""Set at the edge for each request, by the transport for each call, by readers for each record."""

current_request_id: Final = request_id.get
"""Return the ID of the request being served, or an empty string outside of any."""
