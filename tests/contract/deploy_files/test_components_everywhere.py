"""Each component of the catalogue is where servers are deployed from; none needs a program."""

from deploy.catalogue import CATALOGUE
from deploy.generating.proxy_files import files
from tests.contract.deploy_files.declared import DEPLOY, read_yaml


def test_the_chart_deploys_each_component_and_scales_it_by_the_topics_that_it_consumes() -> None:
    values = read_yaml(DEPLOY / "helm/xylem/values.yaml")["components"]

    assert {name: set(one["consumes"]) for name, one in values.items()} == {
        one.name: {topic.name for topic in one.consumes} for one in CATALOGUE
    }


def test_the_compose_file_runs_each_component() -> None:
    services = read_yaml(DEPLOY / "compose/compose.yaml")["services"]
    commands = [one.get("command", []) for one in services.values()]

    running = [name for command in commands if command[:1] == ["run"] for name in command[1:]]
    assert sorted(running) == sorted(CATALOGUE.names)


def test_each_component_has_a_unit_of_systemd() -> None:
    folder = DEPLOY / "systemd/components"

    assert {path.stem for path in folder.iterdir()} == {*CATALOGUE.names}
    assert {path for path in files() if path.parent == folder} == {*folder.iterdir()}
