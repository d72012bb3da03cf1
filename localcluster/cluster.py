"""Every component as processes of its own on this machine, with a broker, a database, a proxy."""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import yaml

from deploy.catalogue import CATALOGUE
from deploy.process.signing_key_file import write_new_signing_key
from localcluster.kafka import KafkaBroker
from localcluster.nginx import has_nginx, nginx_program
from localcluster.postgres import PostgresServer
from localcluster.programs import Program, free_port, is_listening

CHECKOUT: Final = Path(__file__).resolve().parents[1]
_HEALTH_TIMEOUT_S: Final = 90

Balancer = Literal["nginx", "own"]
"""What stands before the replicas: nginx, or the small proxy of this package."""


class Ports(NamedTuple):
    """Where one process listens on loopback."""

    client: int
    internal: int
    health: int


class ComponentProcess:
    """One replica of a component."""

    def __init__(self, component: str, number: int, folder: Path, config: Path) -> None:
        """Take what it runs; nothing is started."""
        self.component: Final = component
        self.ports: Final = Ports(free_port(), free_port(), free_port())
        self.program: Final = Program(
            f"{component}-{number}",
            [sys.executable, "-m", "deploy.cli", "run", component, "--config", str(config)],
            folder,
            environment=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("XYLEM_")}
        kept["PYTHONPATH"] = str(CHECKOUT)
        apis = ("[client]", "[internal]", "[health,metrics]")
        for index, (port, served) in enumerate(zip(self.ports, apis, strict=True)):
            kept[f"XYLEM_LISTENERS__{index}__PORT"] = str(port)
            kept[f"XYLEM_LISTENERS__{index}__APIS"] = served
        kept["XYLEM_LISTENERS__0__TRUSTED_PROXIES"] = "[127.0.0.1]"
        return kept

    def wait_until_ready(self) -> None:
        """Return once it takes requests; raises `ProgramFailed`."""
        # It listens here only when it is ready.
        self.program.wait_until(lambda: is_listening(self.ports.internal), _HEALTH_TIMEOUT_S)


class LocalCluster:
    """A cluster in a folder, which must not exist before; its data are thrown away with it."""

    def __init__(
        self,
        folder: Path,
        replicas: Mapping[str, int] | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        port: int = 0,
        partitions: int = 4,
        balancer: Balancer | None = None,
    ) -> None:
        """Prepare the cluster: how many replicas of each component (one if not said otherwise).

        `settings` are put over those that the cluster needs, section by section. Without a
        `balancer` it is nginx where that is installed. Raises `ProgramMissing`.
        """
        self.port: Final = port or free_port()
        """Where the proxy listens on loopback."""
        self._config = folder / "xylem.yaml"
        counts = dict.fromkeys(CATALOGUE.names, 1) | dict(replicas or {})
        self.kafka: Final = KafkaBroker(_made(folder / "kafka"))
        self.postgres: Final = PostgresServer(_made(folder / "postgres"), max_connections=300)
        self.processes: Final = {
            f"{name}-{number}": ComponentProcess(name, number, folder, self._config)
            for name in CATALOGUE.names
            for number in range(1, counts[name] + 1)
        }
        key_path = folder / "signing.key"
        write_new_signing_key(key_path)
        values = _merged(self._settings(key_path, partitions), settings or {})
        self._config.write_text(yaml.safe_dump(values))
        ports = {name: [one.ports.client for one in self._of(name)] for name in CATALOGUE.names}
        self.balancer: Final = balancer or ("nginx" if has_nginx() else "own")
        make = nginx_program if self.balancer == "nginx" else _own_proxy
        self.proxy: Final = make(folder, self.port, ports)

    def _of(self, component: str) -> list[ComponentProcess]:
        return [one for one in self.processes.values() if one.component == component]

    def _settings(self, key_path: Path, partitions: int) -> dict[str, Any]:
        urls = {
            name: [f"http://127.0.0.1:{one.ports.internal}" for one in self._of(name)]
            for name in CATALOGUE.names
        }
        return {
            "data_dir": str(key_path.parent / "data"),
            "signing_key_path": str(key_path),
            "internal": {"secret": secrets.token_hex(32), "urls": urls},
            "log": {
                "kafka": {
                    "bootstrap_servers": [self.kafka.address],
                    "partitions": partitions,
                    "replication_factor": 1,
                }
            },
            "database": {"url": f"postgresql://{self.postgres.address}/postgres"},
            "logging": {"format": "json"},
            "userapi": {"registration": "open"},
        }

    @property
    def url(self) -> str:
        """Where clients reach the cluster."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def config_path(self) -> Path:
        """The settings that all processes share."""
        return self._config

    def programs(self) -> Iterator[Program]:
        """Yield all programs in the order of their start."""
        yield self.kafka.program
        yield self.postgres.program
        for process in self.processes.values():
            yield process.program
        yield self.proxy

    def start(self) -> None:
        """Start everything and return once it takes requests; raises `ProgramFailed`."""
        # The order does not matter: who comes first waits for the others.
        for process in self.processes.values():
            process.program.start()
        self.postgres.start()
        self.kafka.start()
        for process in self.processes.values():
            process.wait_until_ready()
        self.proxy.start()
        self.proxy.wait_until(lambda: is_listening(self.port))

    def stop(self) -> dict[str, int | None]:
        """Stop everything, clients' side first, and return the components' exit codes."""
        self.proxy.stop()
        stopping = list(self.processes.values())[::-1]
        codes = {one.program.name: one.program.stop() for one in stopping}
        self.postgres.program.kill()
        self.kafka.program.kill()
        return codes


def _own_proxy(folder: Path, port: int, ports: Mapping[str, Sequence[int]]) -> Program:
    named = (f"{name}={','.join(map(str, ones))}" for name, ones in ports.items() if ones)
    return Program(
        "proxy",
        [sys.executable, "-m", "localcluster.proxy", str(port), *named],
        folder,
        environment={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        name: _merged(values[name], value)
        for name, value in over.items()
        if isinstance(value, Mapping) and isinstance(values.get(name), Mapping)
    }
    return {**values, **over, **both}
