"""Components that are added by the steps of CONTRIBUTING.md are components as all others."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.fixtures.toy_components import CUPS, add_to_deployment_files, checkout_with_toys
from tests.system.client import Homeserver
from tests.system.server_process import CHECKOUT, ServerProcess, environment


@pytest.fixture(name="checkout", scope="module")
def fixture_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout_with_toys(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(name="process")
def fixture_process(checkout: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    settings = {
        "teapot": {"cups_at_once": 2},
        "listeners": [{"port": 0, "apis": ["client", "health", "metrics"]}],
    }
    process = ServerProcess(tmp_path, settings, checkout=checkout)
    process.start()
    yield process
    process.kill()


def run(checkout: Path, folder: Path, *arguments: str) -> str:
    """Return what a Python of the copy prints; fails if it does."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment(python_path=str(checkout)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


async def test_in_the_monolith_it_reads_a_topic_is_asked_and_answers_clients(
    process: ServerProcess, http: aiohttp.ClientSession
) -> None:
    homeserver = Homeserver(http, lambda: process.url)
    alice = await homeserver.register("alice")
    before = await homeserver.call("GET", CUPS, token=alice.token)
    path = f"/user/{alice.user_id}/account_data/org.example.tea"
    for number in range(3):
        await alice.call("PUT", path, body={"number": number})

    after = await homeserver.call("GET", CUPS, token=alice.token)
    assert after["cups"] == before["cups"] + 6
    _, metrics = await homeserver.once("GET", "/metrics")
    assert f"xylem_teapot_poured_total {after['cups']}" in metrics
    _, health = await homeserver.once("GET", "/health/ready")
    assert health["checks"]["teapot OutputClientData"] == "ok"
    assert process.stop() == 0
    assert not process.errors()


def test_its_database_is_migrated_and_its_consumer_is_shown(
    checkout: Path, process: ServerProcess
) -> None:
    process.stop()
    config = ("--config", str(process.config_path))
    xylem = ("deploy.cli",)

    migrated = run(checkout, process.folder, *xylem, "migrate", "teapot", *config)
    skipped = run(checkout, process.folder, *xylem, "skip-lost", "teapot", *config)

    assert migrated == "teapot: schema version 1\n"
    assert skipped == "OutputClientData: nothing is missing\n"


def test_the_pages_and_the_files_of_proxies_are_made_with_it(
    checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (checkout / "docs").mkdir(exist_ok=True)

    run(checkout, tmp_path, "deploy.generating.reference")
    run(checkout, tmp_path, "deploy.generating.metrics_reference")
    run(checkout, tmp_path, "deploy.generating.proxy_files")

    settings = (tmp_path / "docs/configuration.md").read_text()
    assert "| `cups_at_once` | whole number | `1` | How many cups a user gets" in settings
    assert "| `teapot` | text or list of text | `[]` | The teapot, which the tearoom" in settings
    assert "xylem_teapot_poured_total" in (checkout / "docs/metrics.md").read_text()
    routes = (checkout / "deploy/proxy/nginx/routes.conf").read_text()
    assert 'unstable/org\\.example\\.tearoom(/[^?]*)?(\\?|$)" tearoom;' in routes
    unit = (checkout / "deploy/systemd/components/tearoom.env").read_text()
    assert "XYLEM_INTERNAL__URLS__TEAPOT=http://127.0.0.1:8298" in unit


def test_files_to_deploy_from_that_lack_it_are_found(tmp_path: Path) -> None:
    checkout = checkout_with_toys(tmp_path)
    (checkout / "docs").mkdir()
    tests = Path("tests/contract/deploy_files")
    (checkout / tests).mkdir(parents=True)
    for name in ("declared.py", "test_components_everywhere.py"):
        shutil.copyfile(CHECKOUT / tests / name, checkout / tests / name)
    check = ("pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(tests))

    with pytest.raises(subprocess.CalledProcessError) as missing:
        run(checkout, checkout, *check)
    add_to_deployment_files(checkout)
    run(checkout, checkout, "deploy.generating.proxy_files")
    found = run(checkout, checkout, *check)

    assert "3 failed" in missing.value.stdout
    assert "3 passed" in found
