"""Log lines: message and fields, for eyes and for machines."""

import io
import json
import logging
import sys

import pytest

from base.http import request_id
from deploy.watching.colours import paint_for
from deploy.watching.log_lines import ConsoleFormatter, JsonFormatter

PLAIN = paint_for(io.StringIO())


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
    assert (
        ConsoleFormatter(PLAIN)
        .format(record(room="!a:b"))
        .endswith(" info    It happened room=!a:b")
    )


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
    assert ConsoleFormatter(PLAIN).format(failed()).splitlines()[-1].startswith("ValueError")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_colours_unless_it_does_not_want_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = ConsoleFormatter(paint_for(Terminal())).format(failed())
    monkeypatch.setenv("NO_COLOR", "1")
    plain = ConsoleFormatter(paint_for(Terminal())).format(failed())

    assert "\x1b[32minfo " in coloured
    assert "\x1b[" not in plain
