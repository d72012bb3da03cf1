"""The embedded log: Kafka's semantics in one folder of files, for a server of one process."""

from logs.embedded.copying import Cut, copy_log, cut_log
from logs.embedded.folder import FolderInUse
from logs.embedded.log import EmbeddedLog
from logs.embedded.settings import EmbeddedLogSettings

__all__ = ["Cut", "EmbeddedLog", "EmbeddedLogSettings", "FolderInUse", "copy_log", "cut_log"]
