"""A test that fails is reported, whatever is collected as garbage meanwhile."""

import os
import subprocess
import sys
from pathlib import Path

_FAILING = """
import ast, gc

class Complaining:
    left = 20_000

    def __init__(self):
        self.cycle = self

    def __del__(self):
        ast.parse("x = 1 + 2")
        Complaining.left -= 1
        if Complaining.left > 0:
            Complaining()

def test_fails():
    gc.set_threshold(5, 1, 1)
    Complaining()
    raise AssertionError("as it should")

def teardown_function():
    gc.disable()
    Complaining.left = 0
"""


def test_a_failure_is_reported_while_garbage_complains(tmp_path: Path) -> None:
    (tmp_path / "test_failing.py").write_text(_FAILING)
    checkout = Path(__file__).parents[2]

    command = f"-m pytest -q -p tests.fixtures.steady_reports --rootdir {tmp_path} {tmp_path}"

    ran = subprocess.run(
        [sys.executable, *command.split()],
        cwd=checkout,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "as it should" in ran.stdout
    assert ran.returncode == 1, ran.stdout + ran.stderr
