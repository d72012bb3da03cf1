"""How the components of a process hear what others have processed."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from base.metrics import Source
from deploy.ground import Ground
from logs.consumer.partition import OnProcessed
from logs.processed_inputs import ProcessedInputs, ProcessedTeller, processed_reader


class _Runs(Protocol):
    async def run(self) -> None:
        """Work until cancelled."""
        ...


class Processed(NamedTuple):
    """Who notes what is processed, and who waits for it."""

    inputs: ProcessedInputs
    note: OnProcessed
    tasks: Sequence[tuple[str, _Runs]] = ()
    """What has to run, by name, to tell other processes and to hear of them."""
    readings: Sequence[Source] = ()
    """What was counted, for metrics."""


def processed(ground: Ground, names: Collection[str]) -> Processed:
    """Return what these components need; nothing is started."""
    inputs = ProcessedInputs()
    # The embedded log is in the process of all who append, and of all who process.
    if ground.settings.log.kafka is None:
        inputs.heard.set()
        return Processed(inputs, inputs.note)
    teller = ProcessedTeller(ground.log)
    reader = processed_reader(ground.log, inputs, "clientapi, processed")
    tasks: list[tuple[str, _Runs]] = []
    if {"receipts", "eduserver"} & {*names}:
        tasks.append(("processed inputs, told", teller))
    if "clientapi" in names:
        tasks.append(("processed inputs, heard", reader))
    return Processed(inputs, teller.note, tasks, (reader.readings,))
