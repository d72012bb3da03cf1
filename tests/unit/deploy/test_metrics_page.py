"""Metrics are named alike and all listed."""

from deploy.generating.metrics_reference import PAGE, SECTIONS, metrics_page

FAMILIES = [family for _, families in SECTIONS for family in families]
UNITS = ("_seconds", "_bytes", "_records", "_batches", "_entries", "_sends", "_polls", "_total")


def test_the_page_of_metrics_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == metrics_page(), "run: make docs"


def test_metrics_have_one_name_each_with_its_unit() -> None:
    names = [family.name for family in FAMILIES]

    assert len(set(names)) == len(names)
    for family in FAMILIES:
        assert family.name.startswith("xylem_")
        assert family.name.endswith(UNITS)
        assert family.name.endswith("_total") == (family.kind == "counter")


def test_no_label_can_hold_a_room_or_a_user() -> None:
    labels = {label for family in FAMILIES for label in family.labels}

    assert labels <= {
        *("access", "api", "cache", "component", "consumer", "kind", "method", "outcome"),
        *("partition", "reader", "reason", "route", "status", "topic"),
    }
