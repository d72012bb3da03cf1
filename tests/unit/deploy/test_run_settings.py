"""Settings with which components cannot be processes of their own."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from deploy.catalogue import CATALOGUE
from deploy.cli import main
from deploy.settings.loading import load_settings

KAFKA = {"kafka": {"bootstrap_servers": ["127.0.0.1:1"]}}
POSTGRES = {"url": "postgresql://xylem@127.0.0.1:1/xylem"}
SEPARABLE: dict[str, Any] = {
    "log": KAFKA,
    "database": POSTGRES,
    "listeners": [{"port": 0, "apis": ["internal"]}],
    "internal": {
        "secret": "only for this test",
        "urls": dict.fromkeys(
            ("userapi", "roomserver", "receipts", "clientapi", "syncapi"), "http://127.0.0.1:1"
        ),
    },
}


@pytest.mark.parametrize(
    ("component", "changed", "message", "advice"),
    [
        ("userapi", {"log": {}}, "need Kafka", "log.kafka.bootstrap_servers"),
        ("userapi", {"database": {}}, "need PostgreSQL", "database.url"),
        (
            "syncapi",
            {"internal": {}, "listeners": [{"port": 0, "apis": ["health"]}]},
            "need a shared secret",
            "openssl rand -hex 32",
        ),
        (
            "syncapi",
            {"internal": {"secret": "only for this test", "urls": {"roomserver": "http://a"}}},
            "syncapi asks userapi, which is not in this process and has no URL.",
            "internal.urls.userapi",
        ),
        (
            "clientapi",
            {"internal": {"secret": "only for this test", "urls": {"userapi": "http://a"}}},
            "clientapi asks roomserver",
            "internal.urls.roomserver",
        ),
        (
            "userapi",
            {"internal": {"secret": "only for this test"}},
            "userapi asks clientapi",
            "internal.urls.clientapi",
        ),
        (
            "userapi",
            {"listeners": [{"port": 0, "apis": ["client"]}]},
            "Others could not call userapi: no listener serves `internal`.",
            "apis: [internal]",
        ),
        (
            "clientapi",
            {"internal": SEPARABLE["internal"] | {"secret": "", "secret_path": "/nowhere"}},
            "The secret /nowhere cannot be read",
            "internal.secret_path",
        ),
        (
            "clientapi",
            {},
            "signing.key is missing.",
            "xylem generate-keys",
        ),
    ],
)
def test_a_component_is_refused_settings_that_are_not_for_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    component: str,
    changed: dict[str, Any],
    *,
    message: str,
    advice: str,
) -> None:
    config = tmp_path / "xylem.yaml"
    values = {"data_dir": str(tmp_path / "data")} | SEPARABLE | changed
    config.write_text(yaml.safe_dump(values))

    code = main(["run", component, "--config", str(config)])

    said = capsys.readouterr().err
    assert code == 1
    assert message in said
    assert advice in said


def test_an_unknown_component_is_answered_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "roomsrver"])

    assert ended.value.code == 2
    assert (
        "'userapi', 'roomserver', 'receipts', 'eduserver', 'keyserver', 'mediaapi', 'syncapi'"
        in capsys.readouterr().err
    )


def test_topics_are_for_kafka(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "xylem.yaml"
    config.write_text("")

    assert main(["topics", "--config", str(config)]) == 1
    assert "The log is embedded" in capsys.readouterr().err


@pytest.mark.parametrize("replicas", ["clientapi", "clientapi=x", "clientsapi=2"])
def test_replicas_are_a_component_and_a_number(
    replicas: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cluster", "--replicas", replicas]) == 1
    assert f"'{replicas}' is not a component and a number." in capsys.readouterr().err


def test_the_settings_in_the_cluster_guide_are_enough_for_each_component(tmp_path: Path) -> None:
    guide = Path(__file__).parents[3] / "docs" / "cluster.md"
    blocks = re.findall(r"```yaml\n(.*?)```", guide.read_text(encoding="utf-8"), flags=re.DOTALL)
    (block,) = [one for one in blocks if "bootstrap_servers" in one]
    config = tmp_path / "xylem.yaml"
    config.write_text(block, encoding="utf-8")

    settings = load_settings(config, {})

    urls = msgspec.structs.asdict(settings.internal.urls)
    asked = {one for name in CATALOGUE.names for one in CATALOGUE.asked_by(name)}
    assert {one for one in asked if not urls[one]} == set()
    assert "internal" in {api for listener in settings.listeners for api in listener.apis}
