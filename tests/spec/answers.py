"""Holds every answer that a test sees to the specification."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from tests.spec.document import Operation, client_server_api
from tests.spec.exceptions import (
    CHOOSES_FIELDS,
    EMPTY_ANSWERS,
    FURTHER_ERRORS,
    NOT_THE_CLIENT_API,
)

_STANDARD_ERRORS: Final[dict[int, frozenset[str]]] = {
    400: frozenset(),
    401: frozenset({"M_MISSING_TOKEN", "M_UNKNOWN_TOKEN", "M_USER_LOCKED"}),
    403: frozenset({"M_FORBIDDEN", "M_GUEST_ACCESS_FORBIDDEN", "M_USER_SUSPENDED"}),
    404: frozenset({"M_NOT_FOUND", "M_UNRECOGNIZED"}),
    405: frozenset({"M_UNRECOGNIZED"}),
    413: frozenset({"M_TOO_LARGE"}),
    429: frozenset({"M_LIMIT_EXCEEDED"}),
    503: frozenset({"M_UNKNOWN"}),  # a database or the log is away
}
"""What every endpoint may be answered with; of 400, with any code."""

_CORS: Final = (
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
)
_JSON: Final = "application/json"
_BYTES: Final = "application/octet-stream"
_FIRST_ERROR: Final = 400
_PROOF_WANTED: Final = 401
_OF_FILES: Final = (206, 304, 416)
"""What HTTP has besides for who asks for a part, or for what they have (RFC 9110)."""
_REDIRECTIONS: Final = range(300, 400)


class SpecViolation(AssertionError):
    """The server answered in a way that the specification does not have."""

    def __init__(self, request: str, status: int, what: str, body: bytes) -> None:
        super().__init__(f"{request}: {status}: {what}\n{body[:2000]!r}")


def check_answer(
    method: str, target: str, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Raise `SpecViolation` if the specification does not allow this answer.

    `target` is the path with its query, percent-encoded, as it was sent.
    """
    path, _, query = target.partition("?")
    if any(pattern.fullmatch(path) for pattern in NOT_THE_CLIENT_API):
        return
    lower = {name.lower(): value for name, value in headers.items()}
    problem = _problem(method, path, status, lower, body)
    if problem is not None and CHOOSES_FIELDS not in query:
        raise SpecViolation(f"{method} {target}", status, problem, body)


def _problem(
    method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
) -> str | None:
    missing = [name for name in _CORS if name not in headers]
    if missing:
        return f"web clients may not read it, without {missing}"
    if method == "OPTIONS":
        return None
    operation = client_server_api().find(path).get("GET" if method == "HEAD" else method)
    if method == "HEAD":
        return None if not body else "there is a body"
    if status >= _FIRST_ERROR and _is_standard_error(status, headers, body):
        return None
    if operation is None:
        return "the specification has no such endpoint"
    return _problem_of(operation, status, headers, body)


def _is_standard_error(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    if status not in _STANDARD_ERRORS or headers.get("content-type") != _JSON:
        return False
    errcode = _errcode(body)
    codes = _STANDARD_ERRORS[status]
    return errcode in codes if codes else errcode is not None


def _errcode(body: bytes) -> str | None:
    """Return the code of a standard error, `None` if the body is no such thing."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("error"), str):
        return None
    errcode = value.get("errcode")
    return errcode if isinstance(errcode, str) else None


def _problem_of(
    operation: Operation, status: int, headers: Mapping[str, str], body: bytes
) -> str | None:
    if status == _PROOF_WANTED and _takes_proof(operation):
        # Of one endpoint the specification says only in prose that it asks for proof.
        operation = _with_proof()
    response = operation.facts["responses"].get(str(status))
    if response is None:
        further = FURTHER_ERRORS.get(operation.name, {}).get(status, frozenset())
        if _errcode(body) in further or (status in _OF_FILES and _gives_file(operation)):
            return None
        return f"{operation.name} has the statuses {sorted(operation.facts['responses'])}"
    if status in _REDIRECTIONS:
        return None if headers.get("location") else "it leads nowhere"
    kinds = response.get("content")
    if kinds is None:
        return None if _errcode(body) else "it is no standard error"
    kind = headers.get("content-type", "")
    # These are bytes of any type: the one that they were uploaded with.
    if kind not in kinds and not (kind and _BYTES in kinds):
        return f"its content type is {kind!r}, not one of {sorted(kinds)}"
    return _problem_of_body(operation, str(status), body) if kind == _JSON else None


def _takes_proof(operation: Operation) -> bool:
    content = operation.facts.get("requestBody", {}).get("content", {})
    return "auth" in content.get(_JSON, {}).get("schema", {}).get("properties", {})


def _with_proof() -> Operation:
    return client_server_api().find("/_matrix/client/v3/account/password")["POST"]


def _gives_file(operation: Operation) -> bool:
    return _BYTES in operation.facts["responses"]["200"].get("content", {})


def _problem_of_body(operation: Operation, status: str, body: bytes) -> str | None:
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return f"it is no JSON: {error}"
    if value == {} and operation.name in EMPTY_ANSWERS:
        return None
    validator = client_server_api().validator(operation, status, _JSON)
    if validator.is_valid(value):
        return None
    return "; ".join(
        f"/{'/'.join(map(str, error.instance_path))}: {error.message[:300]} "
        f"(schema /{'/'.join(map(str, error.schema_path))})"
        for error in validator.iter_errors(value)
    )
