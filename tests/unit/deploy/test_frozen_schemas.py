"""Tables change by migrations alone: those of a version stay as they are."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from base.database import Schema
from tests.contract.schemas import snapshots

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize("dialect", snapshots.DIALECTS)
@pytest.mark.parametrize("schema", snapshots.ALL, ids=lambda schema: schema.name)
def test_tables_are_those_of_their_frozen_version(schema: Schema, dialect: str) -> None:
    assert snapshots.drift(schema, dialect) is None


def test_a_table_that_changed_without_a_migration_is_told() -> None:
    schema = next(one for one in snapshots.ALL if one.name == "receipts")
    metadata = sa.MetaData()
    for table in schema.metadata.tables.values():
        table.to_metadata(metadata)
    metadata.tables["markers"].append_column(sa.Column("colour", sa.Text))
    changed = Schema(schema.name, metadata, schema.migrations)

    drift = snapshots.drift(changed, "sqlite")

    assert drift is not None
    assert "add a migration" in drift
    assert "add_column" in drift
    assert "colour" in drift


def test_a_component_s_record_alone_brings_all_of_its_tables() -> None:
    # A table is one of a schema once its module is imported: other tests import more.
    run = subprocess.run(
        [sys.executable, "-m", "tests.contract.schemas.snapshots"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stdout == "Each schema is as its version.\n"
