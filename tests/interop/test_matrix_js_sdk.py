"""matrix-js-sdk, on which most web clients are built, speaks through the server."""

import json
from pathlib import Path

import pytest

from tests.fixtures.servers import find_program
from tests.interop.javascript import installed_packages, run_tests
from tests.spec.answers import check_answer
from tests.system.server_process import ServerProcess

# What the SDK tries of proposals that are not in the specification.
_PROPOSALS = "/_matrix/client/unstable/"


@pytest.fixture(scope="module")
def packages() -> Path:
    return installed_packages()


@pytest.mark.parametrize(
    "file",
    [
        "backup",
        "conversation",
        "dehydration",
        "encryption",
        "reading",
        "relations",
        "threads",
        "verification",
    ],
)
def test_clients_of_the_javascript_sdk_understand_the_server(
    file: str, tmp_path: Path, packages: Path, sdk_server: ServerProcess
) -> None:
    run_and_check(file, tmp_path, packages, sdk_server)


def test_a_web_client_in_a_browser_sends_and_sees_encrypted_pictures(
    tmp_path: Path, packages: Path, sdk_server: ServerProcess
) -> None:
    chromium = find_program("chromium")

    run_and_check("browser", tmp_path, packages, sdk_server, XYLEM_CHROMIUM=chromium)


def run_and_check(
    file: str, folder: Path, packages: Path, server: ServerProcess, **environment: str
) -> None:
    """Run a file of tests, and hold all answers that the SDK got to the specification."""
    exchanges = folder / "exchanges.jsonl"
    errors_before = len(server.errors())
    environment |= {"XYLEM_URL": server.url, "XYLEM_EXCHANGES": str(exchanges)}

    run_tests(f"{file}.test.mjs", folder, packages, environment)

    assert not server.errors()[errors_before:]
    for line in exchanges.read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)
        if not answer["target"].startswith(_PROPOSALS):
            body = answer["body"].encode()
            headers = answer["headers"]
            check_answer(answer["method"], answer["target"], answer["status"], headers, body)
