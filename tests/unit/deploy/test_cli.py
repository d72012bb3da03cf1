"""The command line: help, wrong use, and the commands that need no server."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.cli import COMMANDS, main
from deploy.settings.loading import load_settings
from matrix.signing import SigningKey

CHECKOUT = Path(__file__).parents[3]


def wrong_use(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"  {command} " in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert COMMANDS[command] in capsys.readouterr().out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out.startswith("Xylem ")


def test_no_command_is_answered_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    wrong_use()

    assert "say what to do: monolith, " in capsys.readouterr().err


def test_a_mistyped_command_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong_use("monolit")

    assert capsys.readouterr().err == (
        "xylem: there is no command 'monolit'. Did you mean 'monolith'?\nTry: xylem --help\n"
    )


def test_a_wrong_argument_is_answered_with_where_to_look(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong_use("generate-keys", "--confg", "x")

    error = capsys.readouterr().err
    assert "unrecognized arguments: --confg" in error
    assert error.endswith("Try: xylem generate-keys --help\n")


def test_a_refusal_is_one_line_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["monolith", "--config", "/nowhere/xylem.yaml"])

    assert code == 1
    assert capsys.readouterr().err == (
        "xylem: There is no configuration file /nowhere/xylem.yaml.\n"
        "  Make one: xylem generate-config --server-name example.org --output "
        "/nowhere/xylem.yaml\n"
    )


def test_a_configuration_is_generated_for_a_server_name(tmp_path: Path) -> None:
    output = tmp_path / "etc" / "xylem.yaml"

    code = main(["generate-config", "--server-name", "example.org", "--output", str(output)])

    assert code == 0
    assert load_settings(output, {}).server_name == "example.org"
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert stat.S_IMODE(output.parent.stat().st_mode) == 0o700


def test_a_configuration_goes_to_standard_output_by_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["generate-config", "--registration", "open", "--data-dir", "/srv/xylem"])

    values = yaml.safe_load(capsys.readouterr().out)
    assert values["userapi"]["registration"] == "open"
    assert values["data_dir"] == "/srv/xylem"


def test_a_configuration_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "xylem.yaml"
    output.write_text("server_name: precious.org")

    code = main(["generate-config", "--output", str(output)])

    assert code == 1
    assert "exists already" in capsys.readouterr().err
    assert output.read_text() == "server_name: precious.org"


def test_a_bad_server_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate-config", "--server-name", "a b"]) == 1
    assert "'a b' is no server name" in capsys.readouterr().err


def test_a_generated_key_is_valid_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    output = tmp_path / "keys" / "signing.key"

    assert main(["generate-keys", "--output", str(output)]) == 0

    assert SigningKey.from_text(output.read_text()).key_id.startswith("ed25519:")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


def test_two_generated_keys_differ(tmp_path: Path) -> None:
    main(["generate-keys", "--output", str(tmp_path / "one")])
    main(["generate-keys", "--output", str(tmp_path / "two")])

    assert (tmp_path / "one").read_text() != (tmp_path / "two").read_text()


def test_a_key_goes_where_the_configuration_says(tmp_path: Path) -> None:
    config = tmp_path / "xylem.yaml"
    config.write_text(yaml.safe_dump({"data_dir": str(tmp_path / "data")}))

    assert main(["generate-keys", "--config", str(config)]) == 0

    assert (tmp_path / "data" / "signing.key").exists()


def test_a_key_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "signing.key"
    output.write_text("precious")

    assert main(["generate-keys", "--output", str(output)]) == 1

    assert "keys are never overwritten" in capsys.readouterr().err
    assert output.read_text() == "precious"


@pytest.mark.parametrize(
    ("user", "password", "said"),
    [
        ("@alice:elsewhere.org", "wonderland", "is not a user of this server"),
        ("Alice Liddell", "wonderland", "The account cannot be made"),
        ("alice", "x", "The account cannot be made"),
    ],
)
def test_an_account_that_cannot_be_made_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], user: str, password: str, said: str
) -> None:
    config = tmp_path / "xylem.yaml"
    config.write_text(yaml.safe_dump({"data_dir": str(tmp_path / "data")}))

    code = main(["create-account", user, "--password", password, "--config", str(config)])

    assert code == 1
    assert said in capsys.readouterr().err


def test_an_administrator_can_be_made_before_the_first_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "xylem.yaml"
    config.write_text(
        yaml.safe_dump({"data_dir": str(tmp_path / "data"), "userapi": {"bcrypt_cost": 4}})
    )

    account = ["@alice:localhost", "--admin", "--password", "wonderland"]
    code = main(["create-account", *account, "--config", str(config)])

    assert code == 0
    assert capsys.readouterr().out == "Created @alice:localhost, an administrator.\n"


def test_a_command_whose_reader_has_seen_enough_ends_without_a_word() -> None:
    command = [sys.executable, "-m", "deploy.cli", "generate-config", "--all"]
    reader, writer = os.pipe()
    os.close(reader)

    ended = subprocess.run(
        command, cwd=CHECKOUT, stdout=writer, stderr=subprocess.PIPE, check=False
    )

    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")
