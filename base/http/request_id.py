"""The identity of the request that the running code serves, for log lines of all processes."""

from contextvars import ContextVar
from typing import Final

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""Set at the edge for each request; internal calls carry it along."""


def current_request_id() -> str:
    """Return the ID of the request being served, or an empty string outside of any."""
    return request_id.get()
