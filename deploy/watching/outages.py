"""Tells once that something which the process stands on is away, and once that it is back.

Whoever waits for the log or the database would otherwise tell so himself: every consumer, every
partition and every request.
"""

import asyncio
import logging
from time import monotonic
from typing import Final

from base.database import DatabaseOutage
from deploy.watching.checks import Check
from logs.log import LogOutage

_log: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 2.0
_OFTENER_WHILE_AWAY: Final = 4
_TIMEOUT_S: Final = 5.0
_BETWEEN_COMPLAINTS_S: Final = 60.0


class Dependency:
    """The log or the database, looked at now and then, and whenever somebody has missed it."""

    def __init__(self, what: str, check: Check, *, look_every_s: float = _LOOK_EVERY_S) -> None:
        self._what = what
        self._checks = [check]
        self._look_every_s = look_every_s
        self._missed = asyncio.Event()
        self._why_missed = ""
        self._away_since_s: float | None = None
        self._back_s = float("-inf")
        self._complained_s = float("-inf")

    def look_also(self, check: Check) -> None:
        """Take it for away, too, if this check says so."""
        self._checks.append(check)

    def missed(self, why: str, seconds: float = 0.0) -> None:
        """Hear that something which took so long has ended in an outage.

        What began before the last outage was over is still part of it.
        """
        if self._away_since_s is None and monotonic() - seconds > self._back_s:
            self._why_missed = why
            self._missed.set()

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            await self._look()
            is_there = self._away_since_s is None
            pause_s = self._look_every_s / (1 if is_there else _OFTENER_WHILE_AWAY)
            try:
                async with asyncio.timeout(pause_s):
                    await self._missed.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        missed, self._why_missed = self._why_missed, ""
        self._missed.clear()
        why = await self._ask()
        now_s = monotonic()
        if self._away_since_s is not None:
            if not why:
                away_s = round(now_s - self._away_since_s, 1)
                self._away_since_s, self._back_s = None, now_s
                fields = {"what": self._what, "away_s": away_s}
                _log.info("A dependency is there again", extra=fields)
        elif why:
            self._away_since_s = now_s
            fields = {"what": self._what, "why": missed or why}
            _log.warning("A dependency is not there", extra=fields)
        elif missed and now_s - self._complained_s >= _BETWEEN_COMPLAINTS_S:
            # Full, or refusing: it may do so many times a second.
            self._complained_s = now_s
            fields = {"what": self._what, "why": missed}
            _log.warning("A dependency is there, but has failed", extra=fields)

    async def _ask(self) -> str:
        """Return why it is away, or an empty string."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                for check in self._checks:
                    await check()
        except TimeoutError:
            return "It does not answer."
        except (DatabaseOutage, LogOutage) as outage:
            return str(outage) or type(outage).__name__
        return ""


class Outages:
    """What a process stands on, by name."""

    def __init__(self) -> None:
        self._watched: dict[str, Dependency] = {}

    def watch(self, what: str, check: Check) -> Dependency:
        """Return the dependency of this name, which this check is about."""
        known = self._watched.get(what)
        if known is None:
            known = self._watched[what] = Dependency(what, check)
        else:
            known.look_also(check)
        return known

    async def run(self) -> None:
        """Look, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for dependency in self._watched.values():
                tasks.create_task(dependency.run())
