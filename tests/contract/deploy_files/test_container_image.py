"""The container image, as far as it can be checked without a container engine."""

import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.deploy_files.declared import (
    CHECKOUT,
    DEPLOY,
    accepted_settings,
    assert_is_a_command,
)

FOLDER = DEPLOY / "container"
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHON_PACKAGES = set(PROJECT["tool"]["importlinter"]["root_packages"])


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments on one line."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    split = [line.split(maxsplit=1) for line in joined.splitlines() if line]
    return [(name, arguments) for name, arguments in split]


def final_stage() -> list[tuple[str, str]]:
    all_of_them = instructions()
    last = max(index for index, (name, _) in enumerate(all_of_them) if name == "FROM")
    return all_of_them[last:]


def copied() -> Iterator[tuple[str, str]]:
    """Yield what is copied from the checkout, and whether it goes into a folder."""
    for name, arguments in instructions():
        parts = [part for part in shlex.split(arguments) if not part.startswith("--chmod")]
        if name == "COPY" and not parts[0].startswith("--from"):
            yield from ((source, parts[-1]) for source in parts[:-1])


def test_it_does_not_run_as_root() -> None:
    users = [arguments for name, arguments in final_stage() if name == "USER"]

    assert users == ["10001:10001"]


def test_the_final_stage_installs_nothing_and_builds_nothing() -> None:
    commands = " ".join(arguments for name, arguments in final_stage() if name == "RUN")

    assert re.search(r"\b(apt|apt-get|pip|gcc|make|curl|wget)\b", commands) is None


def test_a_start_compiles_no_python() -> None:
    known = [arguments for name, arguments in final_stage() if name in {"RUN", "ENV", "USER"}]
    compiling = known.index("python -m compileall -q /usr/local/lib/python3.*")

    # Before `python` is that of the virtual environment, which pip has compiled, and while root may
    # write beside the library.
    assert compiling < next(i for i, one in enumerate(known) if one.startswith("PATH="))
    assert "--no-compile" not in " ".join(arguments for _, arguments in instructions())


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    sent = {
        line.removeprefix("!")
        for line in (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    sources = {source for source, _ in copied()}

    assert [source for source in sources if not (CHECKOUT / source).exists()] == []
    assert {source.split("/")[0] for source in sources} == sent
    assert sources >= PYTHON_PACKAGES


def test_packages_come_in_the_versions_of_the_lock() -> None:
    commands = [arguments for name, arguments in instructions() if name == "RUN"]
    (install,) = [command for command in commands if "pip install" in command]

    assert "--only-binary :all: --require-hashes -r requirements.lock" in install
    assert "pip install --no-deps ." in install


def test_the_base_image_is_named_by_its_digest() -> None:
    bases = [arguments for name, arguments in instructions() if name in {"ARG", "FROM"}]

    assert re.fullmatch(r"PYTHON=python:3[0-9.]+-slim-\w+@sha256:[0-9a-f]{64}", bases[0])
    assert [base.split()[0] for base in bases[1:]] == ["${PYTHON}", "${PYTHON}"]


def test_a_container_without_a_configuration_runs_a_monolith_that_can_be_probed(
    tmp_path: Path,
) -> None:
    known = dict(final_stage())
    settings = accepted_settings(
        (FOLDER / "xylem.yaml").read_text(encoding="utf-8"),
        {"XYLEM_SERVER_NAME": "example.org"},
        tmp_path,
    )
    ports = {api: listener.port for listener in settings.listeners for api in listener.apis}

    assert_is_a_command(json.loads(known["CMD"]))
    assert f":{ports['health']}/health/ready" in known["HEALTHCHECK"]
    assert {str(port) for port in ports.values()} <= set(known["EXPOSE"].split())
    assert settings.data_dir == known["VOLUME"]
    assert ("COPY", "deploy/container/xylem.yaml /etc/xylem/xylem.yaml") in final_stage()
    assert "XYLEM_CONFIG=/etc/xylem/xylem.yaml" in known["ENV"]


@pytest.fixture(name="entrypoint")
def fixture_entrypoint(tmp_path: Path) -> Path:
    """Give the entry point with its paths in a folder of the test, and `env` for `xylem`."""
    text = (FOLDER / "entrypoint.sh").read_text(encoding="utf-8")
    text = text.replace("/run/secrets", str(tmp_path / "secrets"))
    text = text.replace("/opt/xylem/bin/xylem", str(tmp_path / "xylem"))
    (tmp_path / "secrets" / "xylem").mkdir(parents=True)
    xylem = tmp_path / "xylem"
    xylem.write_text('#!/bin/sh\necho "arguments=$*"\nexec env\n')
    xylem.chmod(0o755)
    path = tmp_path / "entrypoint.sh"
    path.write_text(text)
    return path


def run(entrypoint: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["/bin/sh", entrypoint, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    return done.stdout.splitlines()


def test_files_of_secrets_become_settings(entrypoint: Path, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "XYLEM_DATABASE__URL").write_text("postgresql://x:a b$c@d/e\n")
    (tmp_path / "secrets" / "xylem" / "XYLEM_INTERNAL__SECRET").write_text("'quoted' `too`")
    (tmp_path / "secrets" / "signing.key").write_text("ed25519 1 x")

    lines = run(entrypoint, "run", "userapi")

    assert lines[0] == "arguments=run userapi"
    assert "XYLEM_DATABASE__URL=postgresql://x:a b$c@d/e" in lines
    assert "XYLEM_INTERNAL__SECRET='quoted' `too`" in lines
    assert not [line for line in lines if "ed25519" in line]


def test_without_secrets_the_command_runs_as_given(entrypoint: Path) -> None:
    assert run(entrypoint, "monolith", "--config", "a b")[0] == "arguments=monolith --config a b"


def test_the_entry_point_is_executable() -> None:
    assert os.access(FOLDER / "entrypoint.sh", os.X_OK)
