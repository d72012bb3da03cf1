"""matrix-js-sdk, on which most web clients are built, speaks through the server."""

import json
from pathlib import Path

import pytest

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
        "conversation",
        "encryption",
        "reading",
        "relations",
        "threads",
    ],
)
def test_clients_of_the_javascript_sdk_understand_the_server(
    file: str, tmp_path: Path, packages: Path, sdk_server: ServerProcess
) -> None:
    exchanges = tmp_path / "exchanges.jsonl"
    errors_before = len(sdk_server.errors())
    environment = {"XYLEM_URL": sdk_server.url, "XYLEM_EXCHANGES": str(exchanges)}

    run_tests(f"{file}.test.mjs", tmp_path, packages, environment)

    assert not sdk_server.errors()[errors_before:]
    for line in exchanges.read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)
        if not answer["target"].startswith(_PROPOSALS):
            body = answer["body"].encode()
            headers = answer["headers"]
            check_answer(answer["method"], answer["target"], answer["status"], headers, body)
