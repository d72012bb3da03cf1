"""How the components of a process hear what others have processed, and tell others."""

from typing import Final

from base.metrics import Source
from describing.parts import Run
from logs.consumer.partition import OnProcessed
from logs.log import Log
from logs.processed_inputs import ProcessedInputs, ProcessedTeller, processed_reader


class Processed:
    """Who notes what is processed, and who waits for it; only what is asked for has to run."""

    def __init__(self, log: Log, *, is_shared: bool) -> None:
        """Take whether other processes have a part in the log."""
        self._log: Final = log
        self._is_shared: Final = is_shared
        self._inputs: Final = ProcessedInputs()
        self._teller: ProcessedTeller | None = None
        self._is_heard = False
        self.tasks: Final[dict[str, Run]] = {}
        """What has to run, by name, to tell other processes and to hear of them."""
        self.readings: Final[list[Source]] = []
        """What was counted, for metrics."""
        if not is_shared:
            self._inputs.heard.set()

    def hear(self, component: str) -> ProcessedInputs:
        """Return where this process hears how far consumers are; `component` asks for it."""
        if self._is_shared and not self._is_heard:
            reader = processed_reader(self._log, self._inputs, f"{component}, processed")
            self.tasks["processed inputs, heard"] = reader.run
            self.readings.append(reader.readings)
            self._is_heard = True
        return self._inputs

    def tell(self) -> OnProcessed:
        """Return what lets those hear who wait."""
        if not self._is_shared:
            return self._inputs.note
        if self._teller is None:
            self._teller = ProcessedTeller(self._log)
            self.tasks["processed inputs, told"] = self._teller.run
        return self._teller.note
