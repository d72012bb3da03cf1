"""The servers that can be measured: how each is configured and started."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from bench.servers.process import Server
from bench.servers.synapse import synapse
from bench.servers.xylem import xylem

__all__ = ["SERVERS", "Server"]

SERVERS: Mapping[str, Callable[[Path], Server]] = MappingProxyType(
    {"xylem": xylem, "synapse": synapse}
)
"""By name: prepares a server with a fresh data directory, without starting it."""
