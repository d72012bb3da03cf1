"""What Xylem has to reach: ratios to Synapse in the same run, and absolute goals."""

from typing import Literal, NamedTuple

from bench.measure import Metrics

Direction = Literal["at least", "at most"]


class Target(NamedTuple):
    """One figure of one phase and what it is held against."""

    scenario: str
    phase: str
    metric: str
    direction: Direction
    foundation: float
    """Ratio to Synapse's figure."""
    goal: float | None = None
    """Absolute figure on the machine of the targets."""

    def passes(self, ratio: float) -> bool:
        """Say whether a ratio to Synapse reaches the foundation."""
        return (
            ratio >= self.foundation if self.direction == "at least" else ratio <= self.foundation
        )

    def reaches_goal(self, figure: float) -> bool | None:
        """Say whether a figure reaches the goal; None when there is none."""
        if self.goal is None:
            return None
        return figure >= self.goal if self.direction == "at least" else figure <= self.goal


def _rate(scenario: str, phase: str, foundation: float, goal: float | None = None) -> Target:
    return Target(scenario, phase, "rate_per_s", "at least", foundation, goal)


def _cpu(scenario: str, phase: str, foundation: float, goal: float | None = None) -> Target:
    return Target(scenario, phase, "cpu_s_per_1000", "at most", foundation, goal)


def _time(scenario: str, phase: str, foundation: float, goal: float) -> Target:
    return Target(scenario, phase, "p50_ms", "at most", foundation, goal)


TARGETS = (
    _rate("send-one-room", "send", 10, 600),
    _cpu("send-one-room", "send", 1 / 12, 1.5),
    _rate("send-live", "live", 8, 400),
    _rate("send-many-rooms", "send", 12, 1600),
    _cpu("send-many-rooms", "send", 1 / 15, 0.6),
    _time("fanout-latency", "deliver", 1 / 40, 15),
    _rate("join-storm", "join", 8, 400),
    _rate("history", "page", 4, 300),
    _time("initial-sync", "warm", 1 / 15, 120),
    _time("initial-sync", "incremental", 1 / 2, 15),
    _time("big-room-state", "members", 1 / 2, 10),
    _time("big-room-state", "state", 1 / 2, 10),
    _time("big-room-state", "lazy-sync", 1 / 2, 5),
    _time("big-room-state", "join", 1 / 2, 10),
    _rate("register-login", "register", 2),
    _rate("register-login", "login", 2),
    _cpu("to-device", "live", 1 / 5),
    _cpu("to-device", "collect", 1 / 5),
    _cpu("keys", "upload", 1 / 5),
    _cpu("keys", "query", 1 / 5),
    _cpu("keys", "claim", 1 / 5),
    _cpu("encrypted-room-join", "join", 1 / 5),
    _cpu("encrypted-room-join", "device", 1 / 5),
    *(
        _cpu("media", f"{way}-{size}", 1 / 5)
        for size in ("100k", "1m", "10m")
        for way in ("upload", "download")
    ),
    _cpu("thumbnails", "make", 1),
    _cpu("thumbnails", "again", 1 / 5),
)

RSS_RATIO = 1.0
RSS_GOAL_MB = 120.0


def targets_of(scenario: str, phases: dict[str, Metrics]) -> list[Target]:
    """Return the targets of a scenario for the phases that were measured."""
    return [each for each in TARGETS if each.scenario == scenario and each.phase in phases]
