"""One connection: uvicorn's HTTP/1.1, with bounds on what a client may make it hold or wait for."""

import asyncio
import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from base.http.joining import JoiningTransport
from base.http.refusals import HeadTooLarge, Malformed, RequestTimeout, last_answer
from base.http.unsent import PacedTransport, UnsentAnswers
from matrix.errors import MatrixError

_MAX_HEAD_BYTES: Final = 65_536
_MAX_HEADERS: Final = 256
_PARSED_AT_ONCE: Final = 4096
"""How many bytes are parsed before the server looks whether enough requests wait."""
_DISCARDED_BYTES: Final = 16 << 20
_BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the connections of a listener are held to."""

    unsent: UnsentAnswers
    """The answers that clients have yet to take, of all connections."""
    answer_timeout_s: float
    """How long a client may take none of its answer."""
    head_timeout_s: float
    """How long the head of a request may take to arrive."""
    linger_s: float
    """For how long something is received for nothing. To close a connection while data comes in
    resets it: a client that is still sending would never read its answer."""


class _Receiving(enum.Enum):
    """What comes next on a connection."""

    START = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class _Reading(FlowControl):
    """Uvicorn's flow control, which does not go on reading while requests wait for their turn."""

    requests_wait = False

    def resume_reading(self) -> None:
        """Receive again."""
        if not self.requests_wait:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """Serves one connection.

    Bytes outside of bodies are bounded: the head, and what chunks and trailers add, which may
    only grow with the body. While a request waits for the one before it, nothing is read. A
    refusal is answered in its turn, as JSON of Matrix, and ends the connection.
    """

    transport: JoiningTransport

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        bounds: Bounds,
        on_lost: Callable[[], None],
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._bounds = bounds
        self._on_lost = on_lost
        self._receiving = _Receiving.START
        self._outside_bytes = 0
        """Bytes of the current message outside of its body, less those of the body."""
        self._parsed_body_bytes = 0
        self._parsed_an_end = False
        self._discarded_bytes = 0
        self._unparsed = b""
        self._unanswered: deque[RequestResponseCycle] = deque()
        """The requests that have not been answered, the first one being handled."""
        self._last_answer: bytes | None = None
        """What the connection ends with, once all before it is answered."""
        self._has_ended = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin; the first head has its time from now on."""
        self._paced = PacedTransport(transport, self._bounds.unsent, self._bounds.answer_timeout_s)
        super().connection_made(JoiningTransport(self._paced))
        self.flow: _Reading = _Reading(self.transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the handlers of all requests that are not answered know that the client has gone."""
        self._stop_timer()
        self._has_ended = True
        self._unparsed = b""
        self._paced.lost()
        for cycle in self._unanswered:
            _disconnect(cycle)
        super().connection_lost(exc)
        self._on_lost()

    def data_received(self, data: bytes) -> None:
        """Parse what came, or keep it while requests wait for their turn."""
        if self._has_ended:
            self._discard(len(data))
        elif self.flow.requests_wait:
            self._unparsed += data
        else:
            self._parse(data)

    def pause_writing(self) -> None:
        """Hear that the client does not take its answer now."""
        self._paced.pause()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Hear that the client has taken what it was sent."""
        self._paced.resume()
        if not self._paced.is_behind:
            super().resume_writing()

    def _parse(self, data: bytes) -> None:
        """Parse what came, until a request has to wait for the one before it."""
        self._unset_keepalive_if_required()
        for start in range(0, len(data), _PARSED_AT_ONCE):
            if self.pipeline:
                self._unparsed = data[start:]
                break
            self._parse_piece(data[start : start + _PARSED_AT_ONCE])
            if self._has_ended:
                return
        if self.pipeline:
            self.flow.requests_wait = True
        self._watch_time()

    def _parse_piece(self, piece: bytes) -> None:
        self._parsed_body_bytes = 0
        self._parsed_an_end = False
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # Nobody upgrades here, but what follows the request may be of another protocol.
            self.cycle.keep_alive = False
            self._has_ended = True
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, MatrixError) else Malformed())
        if self._parsed_an_end:
            self._outside_bytes = 0
            return
        outside = self._outside_bytes + len(piece) - 2 * self._parsed_body_bytes
        self._outside_bytes = max(outside, 0)
        if outside > _MAX_HEAD_BYTES and not self._has_ended:
            self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._receiving = _Receiving.HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Let the request be handled, unless it is one to refuse."""
        if len(self.headers) > _MAX_HEADERS:
            raise HeadTooLarge
        if self.parser.should_upgrade() and any(name in _BODY_HEADERS for name, _ in self.headers):
            # The parser takes the body of such a request for what follows it.
            raise Malformed("A request that asks for another protocol has no body here.")
        super().on_headers_complete()
        self._receiving = _Receiving.BODY
        self._unanswered.append(self.cycle)
        # Trailers are no headers of the request, whose handler may be at work already.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body."""
        self._parsed_body_bytes += len(body)
        if self.cycle.response_complete:
            self._discard(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._parsed_an_end = True
        self._receiving = _Receiving.START
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the request that comes next."""
        self.transport.flush()
        answered = self._unanswered.popleft()
        self.flow.requests_wait = len(self.pipeline) > 1 or bool(self._unparsed)
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._has_ended:
            self._end_if_answered()
            return
        if answered.more_body:
            self._start_timer(self._bounds.linger_s, self.transport.close)
        if self._unparsed and not self.pipeline:
            unparsed, self._unparsed = self._unparsed, b""
            self.flow.requests_wait = False
            self._parse(unparsed)
            self.flow.resume_reading()

    def _refuse(self, error: MatrixError) -> None:
        """Answer what is being received with an error, after all before it, and end."""
        if self._receiving is _Receiving.BODY:
            refused = self.cycle
            if refused.response_started:
                # Its answer cannot be taken back.
                _disconnect(refused)
                self.transport.close()
                self._has_ended = True
                return
            self._withdraw(refused)
        self._last_answer = last_answer(error)
        self._end_after_answers()

    def _withdraw(self, refused: RequestResponseCycle) -> None:
        """Answer this request, the newest, no more."""
        self._unanswered.pop()
        if self.pipeline:
            self.pipeline.popleft()
        _disconnect(refused)

    def _end_after_answers(self) -> None:
        """Take no further request."""
        self._has_ended = True
        self._unparsed = b""
        self._stop_timer()
        self._end_if_answered()

    def _end_if_answered(self) -> None:
        if self._unanswered:
            return
        if self._last_answer is not None:
            self.transport.write(self._last_answer)
            self.transport.flush()
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self._start_timer(self._bounds.linger_s, self.transport.close)

    def _discard(self, size: int) -> None:
        self._discarded_bytes += size
        if self._discarded_bytes > _DISCARDED_BYTES:
            self.transport.close()

    def _watch_time(self) -> None:
        """Bound the time until a head is there; bodies are the business of who reads them."""
        if self._receiving is _Receiving.HEAD or not (
            self._unanswered or self._receiving is _Receiving.BODY
        ):
            if not self.flow.requests_wait:
                self._wait_for_head()
        elif self._unanswered:
            self._stop_timer()

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._start_timer(self._bounds.head_timeout_s, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._receiving is _Receiving.HEAD:
            self._refuse(RequestTimeout())
        else:
            self.transport.close()

    def _start_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _disconnect(cycle: RequestResponseCycle) -> None:
    """Let a handler know that nobody waits for its answer."""
    cycle.disconnected = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
