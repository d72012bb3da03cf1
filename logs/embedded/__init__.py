"""The embedded log: Kafka's semantics in one folder of files, for a server of one process."""

from logs.embedded.log import EmbeddedLog
from logs.embedded.segments import FolderInUse
from logs.embedded.settings import EmbeddedLogSettings

__all__ = ["EmbeddedLog", "EmbeddedLogSettings", "FolderInUse"]
