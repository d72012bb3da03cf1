"""Log lines: message and fields, for eyes and for machines."""

import json
import logging
import sys

from base.http import request_id
from deploy.log_lines import ConsoleFormatter, JsonFormatter


def record(**fields: object) -> logging.LogRecord:
    line = logging.LogRecord("components.x", logging.INFO, "x.py", 1, "It happened", (), None)
    vars(line).update(fields)
    return line


def failed() -> logging.LogRecord:
    try:
        int("too late")
    except ValueError:
        line = record(exc_info=sys.exc_info())
    return line


def test_a_json_line_has_the_message_and_its_fields() -> None:
    line = json.loads(JsonFormatter().format(record(room="!a:b", offsets={1: 2}, kind=ValueError)))

    assert line["message"] == "It happened"
    assert (line["level"], line["logger"]) == ("info", "components.x")
    assert line["room"] == "!a:b"
    assert line["offsets"] == {"1": 2}
    assert line["kind"] == str(ValueError)
    assert line["time"].endswith("+00:00")


def test_a_console_line_has_the_message_and_its_fields() -> None:
    assert ConsoleFormatter().format(record(room="!a:b")).endswith(" info    It happened room=!a:b")


def test_a_line_of_a_request_names_it() -> None:
    token = request_id.set("abc1")
    try:
        assert json.loads(JsonFormatter().format(record()))["request"] == "abc1"
    finally:
        request_id.reset(token)


def test_an_exception_is_one_line_as_json_and_many_on_the_console() -> None:
    as_json = JsonFormatter().format(failed())

    assert "\n" not in as_json
    assert "ValueError: invalid literal" in json.loads(as_json)["exception"]
    assert ConsoleFormatter().format(failed()).splitlines()[-1].startswith("ValueError")
