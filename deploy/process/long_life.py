"""How a server process lives: tuned for long life, told to stop by a signal."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Final

from base.tasks import Tasks

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_SWITCH_INTERVAL_S: Final = 0.001
_GC_THRESHOLDS: Final = (50_000, 20, 50)


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Yield an event that SIGTERM or SIGINT sets; a second signal ends the process at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def stop_once() -> None:
        stop.set()
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop_once)
    try:
        yield stop
    finally:
        if not stop.is_set():
            for number in _STOP_SIGNALS:
                loop.remove_signal_handler(number)


@contextlib.contextmanager
def reload_signal(reload: Callable[[], None]) -> Iterator[None]:
    """Call a function at each SIGHUP while the context lasts."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def stop_or_failure(stop: asyncio.Event, tasks: Tasks) -> None:
    """Return when the process is told to stop; raises `TaskEnded` if a task ends before."""
    stopped = asyncio.create_task(stop.wait())
    failed = asyncio.create_task(tasks.wait())
    try:
        await asyncio.wait([stopped, failed], return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            failed.result()
    finally:
        stopped.cancel()
        failed.cancel()
        await asyncio.wait([stopped, failed])


def keep_files_private() -> None:
    """Let nobody else read the files that the process makes from now on."""
    os.umask(0o077)


def tune() -> None:
    """Spare the garbage collector what lives as long as the process; call it once all is made."""
    # Threads hold the interpreter for short pieces only: a waiting event loop gets it back soon.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
