"""A process waits, or refuses to start, where records were dropped that it has not processed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import Database, Schema, open_database
from deploy.errors import StartRefused
from deploy.process.lost_records import require_records
from deploy.watching.readiness import Readiness
from logs.consumer import Message, Outbox
from logs.consumer.loop import Consumer
from logs.consumer.tables import CONSUMER_SCHEMA
from logs.embedded import EmbeddedLog
from logs.records.receipts import InputReceipt
from logs.topics import INPUT_RECEIPT, TOPICS
from tests.fixtures.dropped_records import drop_records


class Nothing:
    """Processes nothing."""

    def process(
        self, connection: Connection, messages: Sequence[Message[InputReceipt]], outbox: Outbox
    ) -> None: ...

    def committed(self) -> None: ...

    def aborted(self) -> None: ...


async def stays() -> None:
    """Return: the tables are as they were."""


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    opened = await open_database(
        "sqlite://", Schema("receipts", sa.MetaData(), parts=(CONSUMER_SCHEMA,))
    )
    yield opened
    await opened.close()


@pytest.fixture
async def consumer(tmp_path: Path, database: Database) -> AsyncIterator[Consumer[InputReceipt]]:
    """A consumer that has missed a record."""
    await drop_records(tmp_path / "log", INPUT_RECEIPT.name)
    log = await EmbeddedLog.open(tmp_path / "log", dict.fromkeys(TOPICS, 1))
    yield Consumer("receipts", INPUT_RECEIPT, lambda _: Nothing(), log, database)
    await log.close()


async def test_a_process_that_is_not_patient_is_told_the_command(
    consumer: Consumer[InputReceipt],
) -> None:
    with pytest.raises(StartRefused) as refused:
        await require_records(Readiness(is_patient=False), [consumer], stays)

    assert "InputReceipt/0 up to 0, and the topic begins at 1" in refused.value.message
    assert refused.value.advice == "Run `xylem skip-lost receipts`."


async def test_a_patient_process_says_what_it_waits_for_until_it_has_been_done(
    consumer: Consumer[InputReceipt],
) -> None:
    readiness = Readiness(is_patient=True)
    readiness.started()

    waiting = asyncio.create_task(require_records(readiness, [consumer], stays))
    while readiness.is_ready:  # noqa: ASYNC110 (nothing announces it)
        await asyncio.sleep(0)
    missing = dict(readiness.missing)
    await consumer.skip_lost_records()
    await waiting

    assert list(missing) == ["receipts has missed records: xylem skip-lost receipts"]
    assert readiness.is_ready


async def test_where_database_and_log_do_not_belong_together_the_way_out_is_named(
    consumer: Consumer[InputReceipt], database: Database, tmp_path: Path
) -> None:
    await consumer.skip_lost_records()
    log = await EmbeddedLog.open(tmp_path / "another log", dict.fromkeys(TOPICS, 1))
    moved = Consumer("receipts", INPUT_RECEIPT, lambda _: Nothing(), log, database)

    with pytest.raises(StartRefused) as refused:
        await require_records(Readiness(is_patient=False), [moved], stays)

    assert "of another log" in refused.value.message
    assert "backups of one time" in refused.value.advice
    assert "`xylem rebind`" in refused.value.advice
    await log.close()


async def test_a_process_whose_tables_were_made_anew_waits_no_more(
    consumer: Consumer[InputReceipt],
) -> None:
    class Replaced(Exception):
        pass

    async def replaced() -> None:
        raise Replaced

    with pytest.raises(Replaced):
        await require_records(Readiness(is_patient=True), [consumer], replaced)
