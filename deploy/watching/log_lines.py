"""What the server's log lines look like: a static message, and data in fields."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from base.http import current_request_id
from deploy.settings import LoggingSettings
from deploy.watching.colours import FAINT, GREEN, RED, YELLOW, Paint, paint_for

_COLOURS: Final = {
    logging.INFO: GREEN,
    logging.WARNING: YELLOW,
    logging.ERROR: RED,
    logging.CRITICAL: RED,
}
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(settings: LoggingSettings) -> None:
    """Send all log lines of this process to standard error, in the form that was set."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if settings.format == "json" else ConsoleFormatter(paint_for(sys.stderr))
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    # These speak of each connection, and of slow callbacks, at their lower levels.
    for talkative in ("uvicorn", "asyncio", "sqlalchemy"):
        logging.getLogger(talkative).setLevel(max(logging.WARNING, root.level))
    # It calls each attempt to reach a broker an error; that Kafka is away is said by who waits.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # It complains of each batch of spans; that the collector is away is said once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)


def hush() -> None:
    """Write no log lines: what a command has to say, it prints."""
    logging.getLogger().addHandler(logging.NullHandler())


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; values that JSON does not know are written as text."""
        line = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class ConsoleFormatter(logging.Formatter):
    """Time, level, message, then the fields as `name=value`."""

    def __init__(self, paint: Paint) -> None:
        super().__init__()
        self._paint: Final = paint

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; the trace of an exception follows on lines of its own."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        time = _time(record).astimezone().strftime("%H:%M:%S")
        level = self._paint(f"{record.levelname.lower():<7}", _COLOURS.get(record.levelno, FAINT))
        line = f"{time} {level} {record.getMessage()}{self._paint(fields, FAINT)}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    request = current_request_id()
    return {"request": request, **fields} if request else fields
