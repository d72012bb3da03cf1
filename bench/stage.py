"""What a scenario is given to work with, and what it leaves behind."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.client import Client
from bench.http import Answer
from bench.measure import Metrics, Phase, tree_rss_mb, tree_used
from bench.servers.process import Server
from bench.verify import Findings

ERRORS_SHOWN = 3


@dataclass(slots=True)
class Outcome:
    """What one run of one scenario on one server gave."""

    server: str
    scenario: str
    phases: dict[str, Metrics] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    start_s: float = 0.0
    rss_mb: float = 0.0
    errors: int = 0
    error_examples: list[str] = field(default_factory=list)
    failure: str | None = None

    @property
    def clean(self) -> bool:
        """Say whether the scenario ran to its end without an error or a wrong event.

        One in which nothing was checked has shown nothing.
        """
        checked = self.findings.checked > 0 and self.findings.clean
        return self.failure is None and not self.errors and checked


class Stage:
    """A running server, a client for the set-up, and the outcome being collected."""

    def __init__(self, server: Server, client: Client, scale: float, outcome: Outcome) -> None:
        self.server = server
        self.client = client
        self.outcome = outcome
        self._scale = scale

    def sized(self, full: int, *, least: int = 1) -> int:
        """Return a size of the scenario's table, scaled as asked for."""
        return max(least, round(full * self._scale))

    def phase(self, name: str) -> Phase:
        """Return a phase to be entered; its name is the row's in the report."""
        pid = self.server.pid
        return Phase(name, lambda: tree_used(pid))

    async def restart(self) -> None:
        """Stop the server and start it again on the same data."""
        await self.server.stop()
        await self.server.start()

    def close_phase(
        self,
        phase: Phase,
        answers: Iterable[Answer],
        failed_polls: Iterable[Answer] = (),
        *,
        operations_each: float = 1,
    ) -> None:
        """Count a phase's operations, latencies and errors and file its figures.

        An operation that failed is an error and nothing else: it makes no rate look better.
        `operations_each` is as how many operations each answer counts.
        """
        for answer in answers:
            if answer.ok:
                phase.operations += operations_each
                phase.latencies_s.append(answer.seconds)
            else:
                self._count_error(phase, answer)
        for answer in failed_polls:
            self._count_error(phase, answer)
        self.file(phase)

    def file(self, phase: Phase) -> None:
        """File the figures of a phase whose operations and latencies are counted already."""
        self.outcome.phases[phase.name] = phase.metrics()
        self.outcome.rss_mb = tree_rss_mb(self.server.pid)

    def _count_error(self, phase: Phase, answer: Answer) -> None:
        phase.errors += 1
        self.outcome.errors += 1
        if len(self.outcome.error_examples) < ERRORS_SHOWN:
            text = answer.body[:300].decode(errors="replace")
            self.outcome.error_examples.append(f"{answer.status}: {text}")
