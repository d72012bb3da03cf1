"""Requests that the specification's schemas describe, and some that they forbid.

Identifiers of things that exist are put into them, so that they get further than to 404.
"""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from tests.spec.document import Operation, client_server_api

Places: TypeAlias = Mapping[str, Sequence[str]]
"""What exists, by kind; names of parameters and of fields lead to kinds."""

EXAMPLES: Final = int(os.environ.get("XYLEM_FUZZ_EXAMPLES", "20"))
"""How many requests are made of each endpoint."""
_LONGEST_POLL_MS: Final = 20
_AUTH: Final = {"type": "m.login.dummy"}
"""A stage of interactive authentication that lets people in who register, and nobody else."""

_KINDS: Final = {
    **dict.fromkeys(("userId", "user_id", "target", "sender", "stateKey", "invite"), "user"),
    **dict.fromkeys(("roomId", "room_id", "roomIdOrAlias", "rooms", "not_rooms"), "room"),
    **dict.fromkeys(("eventId", "event_id", "m.fully_read", "m.read", "m.read.private"), "event"),
    **dict.fromkeys(("from", "since", "to", "at"), "token"),
    **dict.fromkeys(("roomAlias", "alias"), "alias"),
    **dict.fromkeys(("deviceId", "device_id", "devices"), "device"),
    **dict.fromkeys(("eventType", "types", "not_types"), "event_type"),
    "filterId": "filter",
    "filter": "filter",
    "keyName": "field",
    "kind": "rule_kind",
    "ruleId": "rule",
    "receiptType": "receipt_type",
    "tag": "tag",
    "type": "data_type",
    "thread_id": "event",
    "threadId": "event",
    "relType": "rel_type",
    "room_version": "version",
    "new_version": "version",
    "version": "backup",
    "sessionId": "session",
    "preset": "preset",
    "membership": "membership",
}


class Fuzzing:
    """Gives the requests of each endpoint."""

    def __init__(self) -> None:
        document = copy.deepcopy(client_server_api().document)
        for item in document["paths"].values():
            for operation in item.values():
                operation["security"] = []  # the test has a token
                _close(operation.get("requestBody"))
        self._schema = schemathesis.openapi.from_dict(document)

    def requests(self, operation: Operation, places: Places) -> st.SearchStrategy[Case[Any]]:
        """Return the strategy of requests to an endpoint."""
        described = self._schema[operation.path][operation.method]
        valid = described.as_strategy(generation_mode=GenerationMode.POSITIVE)
        invalid = described.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        return st.builds(
            _placed,
            st.one_of(valid, valid, invalid),
            st.sampled_from([True, True, True, False]),
            st.integers(min_value=0, max_value=1 << 30),
            st.just(places),
        )


def _close(node: Any) -> None:
    """Let objects have the fields that are described, rather than any others."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and "patternProperties" not in node:
            node.setdefault("additionalProperties", False)
        for name, value in node.items():
            if name != "allOf":  # parts of a whole don't know each other's fields
                _close(value)
    elif isinstance(node, list):
        for value in node:
            _close(value)


def _placed(case: Case[Any], is_placed: bool, choice: int, places: Places) -> Case[Any]:  # noqa: FBT001
    """Return the request with identifiers of what exists, where it is to have them."""

    def choose(name: str, value: Any) -> Any:
        options = places.get(_KINDS.get(name, ""), ())
        return options[choice % len(options)] if options else value

    if is_placed:
        case.path_parameters = {
            name: quote(choose(name, ""), safe="") or value
            for name, value in (case.path_parameters or {}).items()
        }
        if isinstance(case.query, dict):
            case.query = {name: choose(name, value) for name, value in case.query.items()}
        case.body = _filled(case.body, choose)
    if isinstance(case.query, dict) and "timeout" in case.query:
        timeout = case.query["timeout"]
        if isinstance(timeout, int | float) and timeout > _LONGEST_POLL_MS:
            case.query["timeout"] = _LONGEST_POLL_MS
    return case


def _filled(value: Any, choose: Callable[[str, Any], Any]) -> Any:
    if isinstance(value, dict):
        return {
            name: _AUTH
            if name == "auth" and isinstance(one, dict)
            else choose(name, one)
            if isinstance(one, str)
            else _filled_list(name, one, choose)
            for name, one in value.items()
        }
    return value


def _filled_list(name: str, value: Any, choose: Callable[[str, Any], Any]) -> Any:
    if isinstance(value, list):
        return [
            choose(name, one) if isinstance(one, str) else _filled(one, choose) for one in value
        ]
    return _filled(value, choose)
