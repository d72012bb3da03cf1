import json
from pathlib import Path

from bench.measure import Metrics, Phase, Used
from bench.report import as_factor, figures, ratios, remarks, table, write_json
from bench.runner import medians
from bench.stage import Outcome
from bench.verify import Findings


def measured(**figures_of: float) -> Metrics:
    return Phase("send", lambda: Used(0.0, 0)).metrics() | figures_of


def outcome(server: str, *, rate: float, cpu: float = 1.0, rss_mb: float = 100.0) -> Outcome:
    metrics = measured(rate_per_s=rate, cpu_s_per_1000=cpu)
    return Outcome(
        server,
        "send-one-room",
        phases={"send": metrics},
        rss_mb=rss_mb,
        findings=Findings(checked=9),
    )


def test_a_table_aligns_its_columns() -> None:
    text = table(("name", "n"), [("a", "1"), ("longer", "1000")], left=1)

    assert text.splitlines() == ["name       n", "------  ----", "a          1", "longer  1000"]


def test_ratios_that_reach_the_foundation_pass() -> None:
    ours = outcome("xylem", rate=700, cpu=1.0)
    theirs = outcome("synapse", rate=50, cpu=20.0, rss_mb=150)

    text, passed = ratios([ours, theirs], "xylem", "synapse")

    assert passed
    assert "14x" in text
    assert "1/20" in text
    assert "FAIL" not in text


def test_a_ratio_short_of_the_foundation_fails() -> None:
    ours = outcome("xylem", rate=400, cpu=1.0)
    theirs = outcome("synapse", rate=50, cpu=20.0)

    text, passed = ratios([ours, theirs], "xylem", "synapse")

    assert not passed
    assert [line for line in text.splitlines() if "FAIL" in line and "rate_per_s" in line]


def test_wrong_events_fail_however_fast_the_server_was() -> None:
    ours = outcome("xylem", rate=5000)
    ours.findings = Findings(missing=1)
    theirs = outcome("synapse", rate=50, cpu=20.0)

    text, passed = ratios([ours, theirs], "xylem", "synapse")

    assert not passed
    assert [line for line in text.splitlines() if "events" in line and "FAIL" in line]


def test_a_scenario_in_which_nothing_was_checked_is_not_clean() -> None:
    unchecked = outcome("xylem", rate=700)
    unchecked.findings = Findings()

    assert not unchecked.clean
    assert outcome("xylem", rate=700).clean


def test_a_scenario_that_did_not_run_on_both_servers_fails() -> None:
    ours = outcome("xylem", rate=5000)
    theirs = Outcome("synapse", "send-one-room", failure="ServerFailedError: ended")

    _, passed = ratios([ours, theirs], "xylem", "synapse")

    assert not passed


def test_rounds_are_merged_into_medians_and_sums_of_faults() -> None:
    rounds = [outcome("xylem", rate=rate) for rate in (100, 900, 300)]
    rounds[1].findings = Findings(doubled=2)
    rounds[2].errors = 4

    (merged,) = medians(rounds)

    assert merged.phases["send"]["rate_per_s"] == 300
    assert merged.findings.doubled == 2
    assert merged.errors == 4


def test_a_round_that_failed_keeps_its_figures_out_of_the_medians() -> None:
    broken = outcome("xylem", rate=9)
    broken.failure = "TimeoutError: "

    (merged,) = medians([broken, outcome("xylem", rate=300)])

    assert merged.phases["send"]["rate_per_s"] == 300
    assert merged.failure == "TimeoutError: "


def test_a_busy_load_generator_is_remarked_upon() -> None:
    busy = outcome("xylem", rate=300)
    busy.phases["send"]["client_cpu_percent"] = 71.0

    assert remarks([outcome("xylem", rate=300)]) == []
    assert "71 %" in remarks([busy])[0]


def test_a_failed_scenario_has_a_row_of_its_own() -> None:
    text = figures([Outcome("xylem", "history", failure="ServerFailedError: ended")])

    assert "FAILED" in text


def test_factors_are_written_as_they_are_read() -> None:
    assert [as_factor(value) for value in (12.0, 1 / 15, 0.0)] == ["12x", "1/15", "-"]


def test_the_record_holds_every_outcome_and_the_circumstances(tmp_path: Path) -> None:
    path = write_json([outcome("xylem", rate=300)], {"servers": ["xylem"]}, tmp_path)

    record = json.loads(path.read_text())
    assert record["settings"] == {"servers": ["xylem"]}
    assert record["outcomes"][0]["phases"]["send"]["rate_per_s"] == 300
    assert record["machine"]["cpus"] > 0
