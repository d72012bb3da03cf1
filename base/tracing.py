"""Which request the running code serves, so that every log line and every span can say it.

The ID is made where a request comes in, travels with calls of internal APIs and inside records,
and is known again by whoever reads them. A trace (OpenTelemetry) is derived from it alone: nothing
else has to travel, and nothing is paid where traces are off.
"""

import re
from contextvars import ContextVar
from hashlib import blake2b
from typing import Final, NamedTuple

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""Set at the edge for each request, by the transport for each call, by readers for each record."""

current_request_id: Final = request_id.get
"""Return the ID of the request being served, or an empty string outside of any."""

_ALL: Final = 1 << 64
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_CONTINUED: Final = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]+")
_VERSION_TOO_HIGH: Final = b"ff"
_SAMPLED: Final = 1


class Trace(NamedTuple):
    """The trace that a request ID stands for, the same for everybody who knows the ID."""

    trace_id: int
    root_span_id: int
    """The span of the request itself, of which all others are children."""
    caller_span_id: int | None
    """The client's span, if the trace began there."""
    lot: float
    """From 0 to 1: a trace that begins here is kept where this is below the part that is kept."""

    def is_kept(self, part: float) -> bool:
        """Tell whether it is among this part of all traces; whoever began it has decided before."""
        return self.caller_span_id is not None or self.lot < part


def trace_of(identity: str) -> Trace:
    """Return the trace of the request with this ID."""
    digest = blake2b(identity.encode(), digest_size=32).digest()
    root_span_id = int.from_bytes(digest[16:24], "big") or 1
    continued = _CONTINUED.fullmatch(identity)
    lot = int.from_bytes(digest[24:], "big") / _ALL
    if continued is not None:
        return Trace(int(continued[1], 16), root_span_id, int(continued[2], 16), lot)
    return Trace(int.from_bytes(digest[:16], "big") or 1, root_span_id, None, lot)


def continued_request_id(traceparent: bytes, number: int) -> str:
    """Return the ID of a request that goes on with a trace (W3C Trace Context, `traceparent`).

    It is the `number`th of this process. Empty if the header is damaged, or the trace not kept.
    """
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or traceparent.startswith(_VERSION_TOO_HIGH):
        return ""
    trace, span, flags = found[1].decode(), found[2].decode(), int(found[3], 16)
    if not flags & _SAMPLED or not int(trace, 16) or not int(span, 16):
        return ""
    return f"{trace}-{span}-{number:x}"
