"""Puts the EDU server together."""

from typing import NamedTuple

from base.clock import Clock
from base.database import Database
from components.eduserver.expiry import TypingExpiry
from components.eduserver.processor import TypingProcessor
from components.eduserver.settings import EduServerSettings
from components.eduserver.store import SCHEMA
from logs.consumer.loop import Consumer
from logs.consumer.partition import OnProcessed
from logs.log import Log
from logs.records.typing import InputTyping
from logs.topics import INPUT_TYPING

__all__ = ["SCHEMA", "EduServer", "build"]


class EduServer(NamedTuple):
    """What has to run of the EDU server; it has nothing that others call."""

    consumer: Consumer[InputTyping]
    expiry: TypingExpiry


def build(
    *,
    log: Log,
    database: Database,
    clock: Clock,
    settings: EduServerSettings,
    on_processed: OnProcessed | None = None,
) -> EduServer:
    """Return an EDU server over its database, opened with `SCHEMA`; nothing is started.

    `on_processed` hears how far all inputs are done with.
    """
    expiry = TypingExpiry(
        log=log,
        database=database,
        clock=clock,
        settings=settings,
        is_owned=lambda partition: consumer.position(partition) is not None,
    )
    consumer = Consumer(
        "eduserver",
        INPUT_TYPING,
        lambda partition: TypingProcessor(
            partition, expiry.watch(partition), settings, expiry.notice
        ),
        log,
        database,
        max_batch=settings.max_batch_requests,
        on_processed=on_processed,
    )
    return EduServer(consumer, expiry)
