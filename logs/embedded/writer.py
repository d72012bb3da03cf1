"""The thread that makes appends durable: one write for all that wait, then one announcement.

The event loop encodes; the thread joins bytes and writes them to a file opened for synchronous
data (`O_DSYNC`), so that it needs the interpreter's lock once per commit.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Sequence
from enum import Enum, auto
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final, NamedTuple

from base.clock import Clock
from logs.embedded.folder import create_segment, write_all
from logs.embedded.frames import FrameCodec, SegmentHeader
from logs.embedded.segments import Segment
from logs.embedded.settings import EmbeddedLogSettings
from logs.log import LogOutage

logger = logging.getLogger(__name__)

_PASSING: Final = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
}


def _is_passing(error: Exception) -> bool:
    """Tell whether it is for want of room, files or memory: what was written is in no doubt."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in _PASSING


class _Order(Enum):
    WRITE = auto()
    ROLL = auto()
    STOP = auto()


class Written(NamedTuple):
    """What one commit made durable, in the order appended."""

    items: Sequence[object]
    segment: Segment
    position: int
    """Where the first frame begins."""
    end: int
    """Where the commit ends."""


class LogWriter:
    """Takes encoded frames from the event loop and tells it when they are durable.

    `on_written`, `on_rolled` and `on_failed` are called on the event loop. After a failure nothing
    is taken from the queue before `on_failed` has dropped all of it, because what waits was
    numbered to follow what failed.
    """

    def __init__(
        self,
        folder: Path,
        segment: Segment,
        codec: FrameCodec,
        settings: EmbeddedLogSettings,
        *,
        clock: Clock,
        on_written: Callable[[Written], None],
        on_rolled: Callable[[Segment], None],
        on_failed: Callable[[Sequence[object], LogOutage], None],
        header: Callable[[Sequence[object]], SegmentHeader],
    ) -> None:
        self.lock: Final = Lock()
        """Held while records are numbered and queued, so that both keep the same order."""
        self._folder = folder
        self._codec = codec
        self._segment_bytes = settings.segment_bytes
        self._segment_age_ms = round(settings.segment_age_h * 3_600_000)
        self._clock = clock
        self._on_written = on_written
        self._on_rolled = on_rolled
        self._on_failed = on_failed
        self._header = header
        self._loop = asyncio.get_running_loop()
        self._segment = segment
        self._position = segment.size
        self._commit = segment.next_commit
        self._file = _open(segment)
        self._frames: list[bytes] = []
        self._items: list[object] = []
        self._is_idle = True
        self._has_failed = False
        self._cannot_roll = False
        self._want: str | None = None
        self._refusal: str | None = None
        self._orders: SimpleQueue[_Order] = SimpleQueue()
        self._thread = Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def refusal(self) -> str | None:
        """Why the log takes nothing more until it is opened again, if so."""
        return self._refusal

    @property
    def want(self) -> str | None:
        """Why the last write failed, if room, files or memory were short."""
        return self._want

    def put(self, frames: Sequence[bytes], item: object) -> None:
        """Queue frames; `item` comes back in `Written`. The caller holds `lock`."""
        self._frames.extend(frames)
        self._items.append(item)
        if self._is_idle and not self._has_failed:
            self._is_idle = False
            self._orders.put(_Order.WRITE)

    def drop_waiting(self) -> list[object]:
        """Empty the queue after a failure and take appends again; returns what was dropped."""
        with self.lock:
            items, self._items, self._frames = self._items, [], []
            self._has_failed = False
            return items

    def roll_if_due(self) -> None:
        """Begin a new file if it is time to, although nothing is written."""
        self._orders.put(_Order.ROLL)

    def close(self) -> None:
        """Write what waits and end the thread; blocks."""
        self._orders.put(_Order.STOP)
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        while (order := self._orders.get()) is not _Order.STOP:
            if order is _Order.ROLL:
                self._roll_idle()
            while self._write_waiting():
                pass

    def _roll_idle(self) -> None:
        with self.lock:
            if self._items or self._has_failed or not self._is_time_to_roll(0):
                return
            header = self._header(())
        try:
            self._roll(header)
        except Exception as error:  # noqa: BLE001 — whatever it is, those who wait must hear of it
            self._fail((), error)

    def _write_waiting(self) -> bool:
        with self.lock:
            items, frames = self._items, self._frames
            if not items or self._has_failed:
                self._is_idle = True
                return False
            self._items, self._frames = [], []
            size = sum(map(len, frames))
            # Only now, with the lock held, is it known which records follow in the new segment.
            header = self._header(items) if self._is_time_to_roll(size) else None
        try:
            if header is not None:
                self._roll(header)
            head = self._codec.encode_commit(self._commit, size)
            write_all(self._file, b"".join((head, *frames)), self._position)
        except Exception as error:  # noqa: BLE001 — whatever it is, those who wait must hear of it
            self._fail(items, error)
            return False
        self._want = None
        end = self._position + len(head) + size
        written = Written(items, self._segment, self._position + len(head), end)
        self._position = end
        self._commit += 1
        self._loop.call_soon_threadsafe(self._on_written, written)
        return True

    def _is_time_to_roll(self, size: int) -> bool:
        header = self._segment.header
        if self._commit == header.first_commit:
            return False
        age_ms = self._clock.now_ms() - header.created_ms
        return self._position + size > self._segment_bytes or age_ms > self._segment_age_ms

    def _roll(self, header: SegmentHeader) -> None:
        """Begin a new file; for want of room, files or memory the old one goes on."""
        header = SegmentHeader(
            header.generation, self._segment.header.number + 1, self._commit, header.topics
        )
        try:
            segment, file = create_segment(self._folder, header, self._clock.now_ms())
        except (OSError, MemoryError) as error:
            if not _is_passing(error):
                raise
            if not self._cannot_roll:
                logger.warning(
                    "the log's file grows: no new one",
                    extra={"error": str(error) or type(error).__name__},
                )
            self._cannot_roll = True
            return
        self._cannot_roll = False
        os.close(self._file)
        self._file, self._segment, self._position = file, segment, segment.size
        self._loop.call_soon_threadsafe(self._on_rolled, segment)

    def _fail(self, items: Sequence[object], error: Exception) -> None:
        # What the kernel could not bring to the disk it may forget: a later success would say
        # nothing about it. Only where there was no room is it enough to take the part back.
        refusal = None
        if not _is_passing(error):
            refusal = f"The log could not be written ({error}); open it again after a check."
        try:
            os.ftruncate(self._file, self._position)
            os.fsync(self._file)
        except OSError as second:
            refusal = f"A write to the log failed ({error}) and could not be undone ({second})."
        logger.error(
            "the log could not be written", extra={"error": str(error) or type(error).__name__}
        )
        with self.lock:
            self._has_failed = True
            self._is_idle = True
            self._refusal = refusal
            self._want = str(error) or type(error).__name__
        outage = LogOutage(refusal or f"The log could not be written for now: {error}")
        self._loop.call_soon_threadsafe(self._on_failed, items, outage)


def _open(segment: Segment) -> int:
    return os.open(segment.path, os.O_WRONLY | os.O_CLOEXEC | os.O_DSYNC)
