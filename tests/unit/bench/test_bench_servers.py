from pathlib import Path

import msgspec
import yaml

from bench.servers import synapse, xylem
from components.userapi.settings import UserApiSettings
from deploy.settings.loading import load_settings


def test_xylem_accepts_the_settings_that_it_is_measured_with(tmp_path: Path) -> None:
    path = tmp_path / "xylem.yaml"
    path.write_text(yaml.safe_dump(xylem.config(tmp_path / "data", ("127.0.0.1", 8123))))

    settings = load_settings(path, {})

    assert [(each.address, each.port) for each in settings.listeners] == [("127.0.0.1", 8123)]
    assert settings.section(UserApiSettings).bcrypt_cost == 4


def test_every_rate_limit_of_xylem_is_lifted(tmp_path: Path) -> None:
    path = tmp_path / "xylem.yaml"
    path.write_text(yaml.safe_dump(xylem.config(tmp_path / "data", ("127.0.0.1", 8123))))

    sections = msgspec.to_builtins(load_settings(path, {}))

    rates = {
        f"{section}.{name}": value
        for section, fields in sections.items()
        if isinstance(fields, dict)
        for name, value in fields.items()
        if "_rate_" in name
    }
    assert rates
    assert {name: value for name, value in rates.items() if value is not None} == {}


def test_both_servers_hash_passwords_at_the_same_cost(tmp_path: Path) -> None:
    address = ("127.0.0.1", 8123)

    ours, theirs = xylem.config(tmp_path, address), synapse.config(tmp_path, address)

    assert ours["userapi"]["bcrypt_cost"] == theirs["bcrypt_rounds"]
    assert ours["server_name"] == theirs["server_name"]


def test_both_servers_are_reached_over_loopback_only(tmp_path: Path) -> None:
    address = ("127.0.0.1", 8123)

    (ours,) = xylem.config(tmp_path, address)["listeners"]
    (theirs,) = synapse.config(tmp_path, address)["listeners"]

    assert ours["address"] == "127.0.0.1"
    assert theirs["bind_addresses"] == ["127.0.0.1"]
