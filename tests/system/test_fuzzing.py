"""Whatever is asked, the answer is one that the specification has, and no error of the server."""

import hashlib
import hmac
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case

from tests.spec.answers import check_answer
from tests.spec.document import Operation, client_server_api
from tests.system.client import PASSWORD, V3
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.fuzzed_requests import EXAMPLES, Fuzzing, Places
from tests.system.server_process import SHARED_SECRET, ServerProcess

_ANSWER_TIMEOUT_S: Final = 30
_FIRST_SERVER_ERROR: Final = 500
_ENDS_THE_TOKEN: Final = "/logout"
_ADMIN: Final = "/_synapse/admin/v1"
_numbers = itertools.count()


class Person:
    """Somebody who asks, with what there is to ask about."""

    def __init__(self, url: str, *, is_admin: bool = False) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        registered = self._made_admin() if is_admin else self._registered()
        self.user_id: str = registered["user_id"]
        self.device_id: str = registered["device_id"]
        self.session.headers["Authorization"] = f"Bearer {registered['access_token']}"

    def _registered(self) -> Any:
        name = f"person{next(_numbers)}"
        auth = {"type": "m.login.dummy"}
        return self._post("/register", {"username": name, "password": PASSWORD, "auth": auth})

    def _made_admin(self) -> Any:
        """Register as an administrator, by the secret that scripts have."""
        url = f"{self.url}{_ADMIN}/register"
        nonce = self.session.get(url, timeout=_ANSWER_TIMEOUT_S).json()["nonce"]
        name = f"admin{next(_numbers)}"
        text = b"\0".join(part.encode() for part in (nonce, name, PASSWORD, "admin"))
        mac = hmac.new(SHARED_SECRET.encode(), text, hashlib.sha1).hexdigest()
        account: dict[str, Any] = {"username": name, "password": PASSWORD, "admin": True}
        body = account | {"nonce": nonce, "mac": mac}
        return self.session.post(url, json=body, timeout=_ANSWER_TIMEOUT_S).json()

    def report(self, person: "Person", places: Places) -> None:
        """Report an event, its room and a person, so that there is something to administer."""
        room = f"/rooms/{quote(places['room'][0])}/report"
        for path in (
            room,
            f"{room}/{quote(places['event'][0])}",
            f"/users/{person.user_id}/report",
        ):
            self._post(path, {"reason": "Rudeness"})

    def _post(self, path: str, body: Any) -> Any:
        answer = self.session.post(f"{self.url}{V3}{path}", json=body, timeout=_ANSWER_TIMEOUT_S)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def settle(self, other: "Person") -> Places:
        """Make rooms with events in which another person is, too; return what there is then."""
        alias = f"place{next(_numbers)}"
        rooms = [
            self._post("/createRoom", {"preset": "public_chat", "room_alias_name": alias}),
            self._post("/createRoom", {"name": "Tea", "invite": [other.user_id]}),
            other._post("/createRoom", {"name": "Croquet", "invite": [self.user_id]}),
        ]
        room_ids = [room["room_id"] for room in rooms]
        other._post(f"/join/{room_ids[0]}", {})
        path = f"{self.url}{V3}/rooms/{room_ids[0]}/send/m.room.message/1"
        content = {"msgtype": "m.text", "body": "Curiouser"}
        sent = self.session.put(path, json=content, timeout=_ANSWER_TIMEOUT_S).json()
        stored = self._post(f"/user/{self.user_id}/filter", {"room": {"timeline": {"limit": 3}}})
        self._back_up(room_ids)
        synced = self.session.get(f"{self.url}{V3}/sync", timeout=_ANSWER_TIMEOUT_S).json()
        timeline = synced["rooms"]["join"][room_ids[0]]["timeline"]
        return {
            "user": [self.user_id, other.user_id, self.user_id, "@x:elsewhere.test"],
            "room": [*room_ids, room_ids[0], "!nowhere:localhost"],
            "event": [sent["event_id"], *(one["event_id"] for one in timeline["events"][:3])],
            "token": [synced["next_batch"], timeline.get("prev_batch", "")],
            "alias": [f"#{alias}:localhost", "#nothing:localhost", "#a:elsewhere.test"],
            "device": [self.device_id, "NO_SUCH_DEVICE"],
            "filter": [stored["filter_id"], '{"room":{"timeline":{"limit":1}}}'],
            "event_type": _EVENT_TYPES,
            "data_type": ["m.tag", "m.direct", "org.example", "m.fully_read", "m.push_rules"],
            "field": ["displayname", "avatar_url", "m.tz", "org.example"],
            "rule_kind": ["override", "underride", "content", "room", "sender"],
            "rule": [".m.rule.master", ".m.rule.contains_user_name", "mine", room_ids[0]],
            "receipt_type": ["m.read", "m.read.private", "m.fully_read"],
            "rel_type": ["m.thread", "m.annotation", "m.replace", "m.reference"],
            "tag": ["m.favourite", "u.work"],
            "version": [str(number) for number in range(1, 13)],
            "backup": ["1", "2", "2", "2", "3"],
            "session": ["session1", "session2"],
            "preset": ["private_chat", "public_chat", "trusted_private_chat"],
            "membership": ["join", "invite", "leave", "ban", "knock"],
        }

    def _back_up(self, room_ids: list[str]) -> None:
        """Make two backups of keys, the second with keys."""
        made: dict[str, Any] = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2"}
        made["auth_data"] = {"public_key": "key"}
        for _ in range(2):
            self._post("/room_keys/version", made)
        key = {"first_message_index": 1, "forwarded_count": 0, "is_verified": True}
        sessions = {"session1": key | {"session_data": {"ciphertext": "c"}}}
        answer = self.session.put(
            f"{self.url}{V3}/room_keys/keys?version=2",
            json={"rooms": {room_id: {"sessions": sessions} for room_id in room_ids}},
            timeout=_ANSWER_TIMEOUT_S,
        )
        assert answer.status_code == 200, answer.text


_EVENT_TYPES: Final = [
    *("m.room.message", "m.room.member", "m.room.power_levels", "m.room.name", "m.room.topic"),
    *("m.room.join_rules", "m.room.create", "m.room.canonical_alias", "m.room.redaction"),
    *("m.room.history_visibility", "m.space.child", "m.reaction", "m.room.encrypted"),
]


_bounded: Final = settings(
    # The same requests each time, unless somebody wants more than these.
    derandomize="XYLEM_FUZZ_EXAMPLES" not in os.environ,
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def fuzzing() -> Fuzzing:
    return Fuzzing()


@pytest.fixture(scope="module", name="tough_server")
def fixture_tough_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("server"), dict(NO_RATE_LIMITS))
    process.start()
    yield process
    process.kill()


@pytest.mark.parametrize("operation", client_server_api().operations, ids=lambda one: one.name)
def test_any_request_is_answered_as_specified(
    operation: Operation, fuzzing: Fuzzing, tough_server: ServerProcess
) -> None:
    if not _is_implemented(tough_server, operation):
        return
    asking, places = _newcomer(tough_server)

    _ask_anything(operation, fuzzing, tough_server, asking, places)


@pytest.mark.parametrize(
    "operation",
    [one for one in client_server_api().operations if "/admin/" in one.path],
    ids=lambda one: one.name,
)
def test_any_request_of_an_administrator_is_answered_as_specified(
    operation: Operation, fuzzing: Fuzzing, tough_server: ServerProcess
) -> None:
    admin, places = _administrator(tough_server)

    _ask_anything(operation, fuzzing, tough_server, admin, places)


_reports_asked_for: Final = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "GET", "DELETE", "POST"]),
        "kind": st.sampled_from(["event_reports", "room_reports", "user_reports"]),
        "report_id": st.one_of(st.none(), st.integers(0, 5).map(str), st.text(min_size=1)),
        "query": st.dictionaries(
            st.sampled_from(["from", "limit", "dir", "user_id", "room_id", "event_sender_user_id"]),
            st.one_of(st.integers().map(str), st.sampled_from(["b", "f", ""]), st.text()),
        ),
    }
)


def test_any_request_for_reports_is_answered_without_an_error_of_the_server(
    tough_server: ServerProcess,
) -> None:
    errors_before = len(tough_server.errors())
    admin, _ = _administrator(tough_server)
    statuses: Counter[int] = Counter()

    @_bounded
    @given(asked=_reports_asked_for)
    def is_answered(asked: dict[str, Any]) -> None:
        path = f"{admin.url}{_ADMIN}/{asked['kind']}"
        if asked["report_id"] is not None:
            path += f"/{quote(asked['report_id'].encode(errors='replace'), safe='')}"
        answer = admin.session.request(
            asked["method"], path, params=asked["query"], timeout=_ANSWER_TIMEOUT_S
        )
        statuses[answer.status_code] += 1
        assert answer.status_code < _FIRST_SERVER_ERROR
        assert isinstance(answer.json(), dict)

    is_answered()
    assert statuses[200]
    assert not tough_server.errors()[errors_before:]


def _ask_anything(
    operation: Operation,
    fuzzing: Fuzzing,
    server: ServerProcess,
    asking: Person,
    places: Places,
) -> None:
    """Send requests to an endpoint, each of which has to be answered as specified."""
    errors_before = len(server.errors())
    is_alone = _ENDS_THE_TOKEN in operation.path

    @_bounded
    @given(case=fuzzing.requests(operation, places))
    def answers_are_valid(case: Case[Any]) -> None:
        person = Person(server.url) if is_alone else asking
        sent = case.as_transport_kwargs(base_url=server.url)
        answer = person.session.request(**sent, allow_redirects=False, timeout=_ANSWER_TIMEOUT_S)
        check_answer(
            operation.method,
            str(answer.request.path_url),
            answer.status_code,
            answer.headers,
            answer.content,
        )
        assert answer.status_code < _FIRST_SERVER_ERROR

    answers_are_valid()
    assert not server.errors()[errors_before:]


def _administrator(server: ServerProcess) -> tuple[Person, Places]:
    admin, other = Person(server.url, is_admin=True), Person(server.url)
    places = admin.settle(other)
    admin.report(other, places)
    # Who locks themselves hears nothing more.
    return admin, {**places, "user": [other.user_id, other.user_id, "@x:elsewhere.test"]}


def _newcomer(server: ServerProcess) -> tuple[Person, Places]:
    person = Person(server.url)
    return person, person.settle(Person(server.url))


def _is_implemented(server: ServerProcess, operation: Operation) -> bool:
    """Tell whether a request is taken for one to this endpoint."""
    answer = requests.request(
        operation.method, f"{server.url}{operation.path}", timeout=_ANSWER_TIMEOUT_S
    )
    return "M_UNRECOGNIZED" not in answer.text
