"""Settings: defaults, the file, the environment, and what is refused with which words."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml

from components.syncapi.settings import SyncApiSettings
from components.userapi.settings import UserApiSettings
from deploy.errors import SettingsInvalid
from deploy.generating.reference import PAGE, generate_config, generate_page
from deploy.settings import Settings
from deploy.settings.loading import load_settings
from logs.retention import Retention
from logs.topics import OUTPUT_ROOM_EVENT, REJECTED

Refusal: TypeAlias = Callable[[str], SettingsInvalid]


@pytest.fixture
def refusal(tmp_path: Path) -> Refusal:
    """Return what is said of a configuration file with this text."""

    def load(text: str) -> SettingsInvalid:
        path = tmp_path / "xylem.yaml"
        path.write_text(text)
        with pytest.raises(SettingsInvalid) as refused:
            load_settings(path, {})
        return refused.value

    return load


def write(folder: Path, text: str) -> Path:
    path = folder / "xylem.yaml"
    path.write_text(text)
    return path


def test_without_anything_a_server_for_trying_out_is_described() -> None:
    settings = load_settings(None, {})

    assert settings.server_name == "localhost"
    assert [(one.address, one.port) for one in settings.listeners] == [("127.0.0.1", 8008)]
    assert settings.section(UserApiSettings).registration == "open"


def test_without_a_file_registration_is_closed_once_others_can_reach_the_server() -> None:
    settings = load_settings(None, {"XYLEM_LISTENERS__0__ADDRESS": "0.0.0.0"})

    assert settings.section(UserApiSettings).registration == "closed"


def test_without_a_file_the_environment_can_close_registration() -> None:
    settings = load_settings(None, {"XYLEM_USERAPI__REGISTRATION": "closed"})

    assert settings.section(UserApiSettings).registration == "closed"


def test_with_a_file_registration_is_closed_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, ""), {}) == Settings()
    assert load_settings(write(tmp_path, "userapi:\n"), {}) == Settings()
    assert Settings().section(UserApiSettings).registration == "closed"


def test_a_file_sets_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "server_name: example.org\nuserapi: {bcrypt_cost: 5}\n")

    settings = load_settings(path, {})

    assert settings.server_name == "example.org"
    assert settings.section(UserApiSettings).bcrypt_cost == 5
    assert settings.section(SyncApiSettings) == SyncApiSettings()


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "server_name: example.org")

    assert load_settings(None, {"XYLEM_CONFIG": str(path)}).server_name == "example.org"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "listeners: [{port: 1}, {port: 2}]\nlogging: {level: error}\n")
    environment = {
        "XYLEM_LISTENERS__1__PORT": "3",
        "XYLEM_LISTENERS__2__APIS": "[metrics]",
        "XYLEM_LOGGING__FORMAT": "json",
        "XYLEM_USERAPI__LOGIN_RATE_PER_ADDRESS": "null",
        "XYLEM_SERVER_NAME": "1.2.3.4",
        "PATH": "/bin",
    }

    settings = load_settings(path, environment)

    assert [listener.port for listener in settings.listeners] == [1, 3, 8008]
    assert settings.listeners[2].apis == ("metrics",)
    assert (settings.logging.level, settings.logging.format) == ("error", "json")
    assert settings.section(UserApiSettings).login_rate_per_address is None
    assert settings.server_name == "1.2.3.4"


@pytest.mark.parametrize("password", ["12345", "yes", "a: b", "null", "[", " #x", "'quoted'"])
def test_text_that_may_be_absent_is_taken_from_the_environment_as_it_is(password: str) -> None:
    environment = {
        "XYLEM_LOG__KAFKA__BOOTSTRAP_SERVERS": "[kafka:9092]",
        "XYLEM_LOG__KAFKA__SASL_PASSWORD": password,
    }

    kafka = load_settings(None, environment).log.kafka

    assert kafka is not None
    assert kafka.sasl_password == password


def test_an_empty_variable_takes_away_a_text_that_may_be_absent(tmp_path: Path) -> None:
    path = write(tmp_path, "userapi: {registration_shared_secret: from the file}\n")

    settings = load_settings(path, {"XYLEM_USERAPI__REGISTRATION_SHARED_SECRET": ""})

    assert settings.section(UserApiSettings).registration_shared_secret is None


def test_variables_that_kubernetes_sets_for_a_service_are_not_settings() -> None:
    environment = {
        "XYLEM_SERVICE_HOST": "10.0.0.1",
        "XYLEM_SERVICE_PORT_HTTP": "8008",
        "XYLEM_PORT": "tcp://10.0.0.1:8008",
        "XYLEM_PORT_8008_TCP_ADDR": "10.0.0.1",
    }

    assert load_settings(None, environment).server_name == "localhost"


@pytest.mark.parametrize(
    ("variable", "value", "message", "advice"),
    [
        ("XYLEM_SERVERNAME", "x", "names no setting 'servername'", "'server_name'"),
        ("XYLEM_USERAPI__BCRYPTCOST", "4", "'userapi.bcryptcost'", "'userapi.bcrypt_cost'"),
        ("XYLEM_SERVER_NAME__PORT", "4", "'server_name' has no 'port'", ""),
        ("XYLEM_LISTENERS__2__PORT", "4", "leaves a gap", "next free number is 0"),
        ("XYLEM_LISTENERS__X__PORT", "4", "'listeners' has no 'x'", ""),
        ("XYLEM_LISTENERS__0__PORT", "[", "is not YAML", ""),
        ("XYLEM_OBSERVING__TRACES__ENDPOINT", "localhost:4318", "expected a URL", "/v1/traces"),
        ("XYLEM_LISTENERS__0__PORT", "many", "expected a whole number, got text", ""),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, message: str, advice: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(None, {variable: value})

    assert message in refused.value.message
    assert advice in refused.value.advice


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("server_nam: x", "'server_nam'", "'server_name'"),
        ("userapi: {registraton: open}", "'userapi.registraton'", "'userapi.registration'"),
        ("listeners: [{}, {prot: 3}]", "'listeners[1].prot'", "'listeners[1].port'"),
        ("listeners: [{tls: {key: 3}}]", "'listeners[0].tls.key'", "'listeners[0].tls.key_path'"),
        ("log: {embedded: {segment: 3}}", "'log.embedded.segment'", "'log.embedded.segment_bytes'"),
        (
            "userapi: {login_rate_per_address: {per_secnd: 1}}",
            "'userapi.login_rate_per_address.per_secnd'",
            "'userapi.login_rate_per_address.per_second'",
        ),
        ("zzz: x", "'zzz'", "Known are: server_name, data_dir"),
        ("3: x", "'3'", "Known are"),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_the_nearest(
    refusal: Refusal, text: str, key: str, nearest: str
) -> None:
    refused = refusal(text)

    assert f"unknown setting {key}" in refused.message
    assert nearest in refused.advice


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server_name: 3", "server_name: expected text, got a whole number."),
        ("listeners: [{port: '3'}]", "listeners[0].port: expected a whole number, got text."),
        ("listeners: [{port: 70000}]", "listeners[0].port: expected a whole number <= 65535."),
        ("listeners: []", "listeners: expected a list of length >= 1."),
        ("listeners: {port: 3}", "listeners: expected a list, got a section."),
        ("userapi: {registration: all}", "userapi.registration: invalid enum value 'all'."),
        ("userapi: 3", "userapi: expected a section, got a whole number."),
        ("syncapi: {default_timeline_limit: -3}", "syncapi.default_timeline_limit: -3 is below 0."),
        ("userapi: {bcrypt_cost: 3}", "userapi: bcrypt_cost is between 4 and 31."),
        (
            "clientapi: {join_rate_per_user: {per_second: 0, burst: 1}}",
            "clientapi.join_rate_per_user.per_second has to be above 0.",
        ),
        ("default_room_version: '99'", "default_room_version: there is no room version '99'."),
        ("server_name: a/b", "server_name: 'a/b' is no server name."),
        ("database: {url: 'mysql://x'}", "database.url: expected sqlite:///folder"),
        ("listeners: [{}, {}]", "listeners[1]: 127.0.0.1 port 8008 is taken by listeners[0]."),
        ("listeners: [{apis: [internal]}]", "`internal`, and internal.secret is not set."),
        ("internal: {secret: short}", "internal.secret has fewer than 16 characters."),
        (f"internal: {{secret: {'x' * 16}, secret_path: y}}", "`secret` and `secret_path`"),
        ("internal: {urls: {userapi: 'localhost:1'}}", "userapi: 'localhost:1' is no base URL."),
        (
            "internal: {urls: {roomserver: ['http://a', 'http://b/c']}}",
            "internal.urls.roomserver: 'http://b/c' is no base URL.",
        ),
        ("internal: {urls: {roomsrver: 'http://a'}}", "unknown setting 'internal.urls.roomsrver'"),
        (
            f"listeners: [{{apis: [client, internal]}}]\ninternal: {{secret: {'x' * 16}}}",
            "listeners[0]: `client` and `internal` share a listener.",
        ),
        ("listeners: [{apis: [operators]}]", "`operators`, and operators.token is not set."),
        ("operators: {token: short}", "operators.token has fewer than 16 characters."),
        (f"operators: {{token: {'x' * 16}, token_path: y}}", "`token` and `token_path`"),
        (
            f"listeners: [{{apis: [client, operators]}}]\noperators: {{token: {'x' * 16}}}",
            "listeners[0]: `client` and `operators` share a listener.",
        ),
        ("[1, 2]", "expected settings as `key: value`, got a list."),
        ("server_name: a\nserver_name: b", "line 2, column 1: the key 'server_name' stands here"),
        ("a: [", "line 1"),
        ("a: \0", "is not YAML"),
    ],
)
def test_a_wrong_value_is_explained(refusal: Refusal, text: str, message: str) -> None:
    assert message in refusal(text).message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("userapi: {registration: all}", "closed, open, token"),
        ("listeners: [{apis: [client, clients]}]", "client, health, internal, metrics, operators"),
        ("logging: {level: loud}", "debug, error, info, warning"),
    ],
)
def test_where_words_are_expected_they_are_named(refusal: Refusal, text: str, words: str) -> None:
    assert refusal(text).advice == f"One of these is expected: {words}."


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="no configuration file"):
        load_settings(tmp_path / "absent.yaml", {})
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load_settings(tmp_path / "binary", {})
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load_settings(tmp_path, {})


def test_the_generated_file_sets_what_was_chosen_and_nothing_else(tmp_path: Path) -> None:
    text = generate_config({"server_name": "example.org", "userapi.registration": "open"})

    values = yaml.safe_load(text)
    settings = load_settings(write(tmp_path, text), {})

    chosen = {key: value for key, value in values.items() if value}
    assert settings.server_name == "example.org"
    assert settings.section(UserApiSettings).registration == "open"
    assert set(chosen) == {"server_name", "userapi"}
    assert len(text.splitlines()) < 60


def test_a_place_that_was_chosen_is_in_the_short_file_as_well() -> None:
    text = generate_config({"observing.max_lag_records": 5})

    assert yaml.safe_load(text)["observing"] == {"max_lag_records": 5}


def test_the_generated_file_with_all_its_defaults_is_the_default(tmp_path: Path) -> None:
    lines = generate_config({}, with_all=True).splitlines()
    # Explanations begin with one space, or three; settings with none, or two in a list.
    active = [re.sub(r"^( *)#(?=\S|  \S)", r"\1", line) for line in lines]

    settings = load_settings(write(tmp_path, "\n".join(active)), {})

    assert sum(1 for line in active if line and "# " not in line) > 50
    assert settings == Settings()


def test_the_retention_of_a_topic_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "xylem.yaml"
    path.write_text("log: {retention_h: {OutputRoomEvents: 12}}")

    with pytest.raises(SettingsInvalid, match="there is no topic 'OutputRoomEvents'"):
        load_settings(path, {})


def test_the_retention_of_topics_is_set_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "xylem.yaml"
    path.write_text("log: {retention_h: {OutputRoomEvent: 12}, retention_bytes: {Rejected: 5}}")

    retentions = load_settings(path, {}).log.retentions

    assert retentions.of(OUTPUT_ROOM_EVENT) == Retention(12 * 3_600_000, None)
    assert retentions.of(REJECTED) == Retention(28 * 24 * 3_600_000, 5)


def test_the_reference_page_is_what_the_settings_say() -> None:
    path = Path(__file__).parents[3] / PAGE

    assert path.read_text(encoding="utf-8") == generate_page(), "Renew it with: make docs"
