"""Programs that check deployment files, and servers that stand in for components."""

import fcntl
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.generating.route_table import served_components
from tests.contract.deploy_files.chart import EVERYTHING, LEAST, OWN_SECRET, Chart, render
from tests.fixtures.servers import find_program, last_line, missing

HELM = ("helm.sh/helm/v3/cmd/helm", "v3.19.0")
COMPOSE = ("github.com/compose-spec/compose-go/v2/cmd", "v2.10.2")


def _go_program(package: str, version: str, name: str) -> Path:
    """Return a program built from a Go module, once for all test processes."""
    default = Path.home() / ".cache" / "xylem-tests"
    folder = Path(os.environ.get("XYLEM_TEST_CACHE", default)) / "bin" / f"{name}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / Path(package).name
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            go = find_program("go")
            built = subprocess.run(
                [go, "install", f"{package}@{version}"],
                cwd="/",
                env={**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0", "GOFLAGS": ""},
                check=False,
                capture_output=True,
                text=True,
            )
            if built.returncode != 0:
                missing(f"{name} could not be built: {last_line(built.stderr)}")
    return program


@pytest.fixture(scope="session", name="helm")
def fixture_helm() -> Path:
    return _go_program(*HELM, "helm")


@pytest.fixture(scope="session", name="compose_parser")
def fixture_compose_parser() -> Path:
    """Give the command of the library with which Docker reads compose files."""
    return _go_program(*COMPOSE, "compose")


@pytest.fixture(scope="session", name="rendered")
def fixture_rendered(helm: Path) -> dict[Path, Chart]:
    """Give what each file of values gives."""
    return {values: render(helm, values) for values in (LEAST, EVERYTHING, OWN_SECRET)}


@pytest.fixture(params=[LEAST, EVERYTHING, OWN_SECRET], ids=lambda path: path.stem, name="chart")
def fixture_chart(request: pytest.FixtureRequest, rendered: dict[Path, Chart]) -> Chart:
    return rendered[request.param]


@pytest.fixture(name="least")
def fixture_least(rendered: dict[Path, Chart]) -> Chart:
    return rendered[LEAST]


@pytest.fixture(name="everything")
def fixture_everything(rendered: dict[Path, Chart]) -> Chart:
    return rendered[EVERYTHING]


@pytest.fixture(name="own_secret")
def fixture_own_secret(rendered: dict[Path, Chart]) -> Chart:
    return rendered[OWN_SECRET]


class _Answering(BaseHTTPRequestHandler):
    """Answers every request with what it received."""

    component: str

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = f"{self.component} {self.command} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815 (its words)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its word)
        """Say nothing."""


@pytest.fixture(scope="session", name="component_ports")
def fixture_component_ports() -> Iterator[dict[str, int]]:
    """Give the ports of servers that answer with their component's name and the request."""
    servers = {}
    for component in served_components():
        handler = type(component, (_Answering,), {"component": component})
        servers[component] = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=servers[component].serve_forever, daemon=True).start()
    yield {component: server.server_address[1] for component, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()
