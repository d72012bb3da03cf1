"""The servers that can be measured: how each is configured and started."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from bench.servers import synapse, xylem
from bench.servers.process import Server

SERVERS: Mapping[str, Callable[[Path], Server]] = MappingProxyType(
    {"xylem": xylem.prepare, "synapse": synapse.prepare}
)
"""By name: prepares a server with a fresh data directory, without starting it."""
