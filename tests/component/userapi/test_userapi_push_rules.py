"""Push rules, read and changed by their user."""

from typing import Any

import pytest

from components.userapi.settings import UserApiSettings
from logs.log import Log
from logs.records.client_data import AccountDataChanged
from matrix.canonical import decode_json
from tests.component.userapi.userapi_server import V3, Deployment, User, UserApiServer

RULES = f"{V3}/pushrules/global"
CAKE = {"pattern": "cake*lie", "actions": ["notify"]}


async def ids(user: User, kind: str, *, own: bool = True) -> list[str]:
    """Return the IDs of the rules of a kind, the most important first."""
    rules = (await user.client.get(f"{RULES}/")).json[kind]
    return [rule["rule_id"] for rule in rules if not (own and rule["default"])]


async def test_a_rule_is_added_read_and_deleted(alice: User) -> None:
    path = f"{RULES}/content/nocake"

    assert (await alice.client.put(path, CAKE)).status == 200

    answer = await alice.client.get(path)
    assert answer.json == {"rule_id": "nocake", "default": False, "enabled": True, **CAKE}
    assert (await alice.client.get(f"{path}/enabled")).json == {"enabled": True}
    assert (await alice.client.get(f"{path}/actions")).json == {"actions": ["notify"]}
    assert (await alice.client.delete(path)).status == 200
    gone = await alice.client.delete(path)
    assert (gone.status, gone.errcode) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("kind", "rule_id", "body"),
    [
        ("override", "mine", {"conditions": [{"kind": "contains_display_name"}], "actions": []}),
        ("underride", "mine", {"actions": [{"set_tweak": "sound", "value": "bing"}]}),
        ("room", "!room:xylem.test", {"actions": ["dont_notify"]}),
        ("sender", "@bob:xylem.test", {"actions": ["notify", {"set_tweak": "highlight"}]}),
    ],
)
async def test_rules_of_each_kind_are_kept(
    alice: User, kind: str, rule_id: str, body: dict[str, Any]
) -> None:
    assert (await alice.client.put(f"{RULES}/{kind}/{rule_id}", body)).status == 200

    answer = await alice.client.get(f"{RULES}/{kind}/{rule_id}")
    assert answer.json["actions"] == body["actions"]
    assert answer.json.get("conditions", []) == body.get("conditions", [])


async def test_a_new_rule_is_the_most_important_of_the_users_own(alice: User) -> None:
    for rule_id in ("one", "two", "three"):
        await alice.client.put(f"{RULES}/override/{rule_id}", {"actions": []})

    assert await ids(alice, "override") == ["three", "two", "one"]
    everything = await ids(alice, "override", own=False)
    assert everything[:2] == [".m.rule.master", "three"]


async def test_a_rule_goes_where_it_is_told(alice: User) -> None:
    for rule_id in ("one", "two", "three"):
        await alice.client.put(f"{RULES}/content/{rule_id}", CAKE)

    await alice.client.put(f"{RULES}/content/four?after=two", CAKE)
    assert await ids(alice, "content") == ["three", "two", "four", "one"]
    await alice.client.put(f"{RULES}/content/one?before=three", CAKE)
    assert await ids(alice, "content") == ["one", "three", "two", "four"]
    await alice.client.put(f"{RULES}/content/one?before=four&after=three", CAKE)
    assert await ids(alice, "content") == ["three", "two", "one", "four"]
    await alice.client.put(f"{RULES}/content/two", {**CAKE, "pattern": "pie"})
    assert await ids(alice, "content") == ["three", "two", "one", "four"]


async def test_a_changed_rule_stays_disabled(alice: User) -> None:
    path = f"{RULES}/content/nocake"
    await alice.client.put(path, CAKE)
    await alice.client.put(f"{path}/enabled", {"enabled": False})

    await alice.client.put(path, {**CAKE, "pattern": "pie"})

    rule = (await alice.client.get(path)).json
    assert (rule["enabled"], rule["pattern"]) == (False, "pie")


async def test_a_rule_of_the_server_is_changed_but_not_deleted(alice: User) -> None:
    path = f"{RULES}/override/.m.rule.master"

    assert (await alice.client.put(f"{path}/enabled", {"enabled": True})).status == 200
    assert (await alice.client.put(f"{path}/actions", {"actions": ["notify"]})).status == 200

    rule = (await alice.client.get(path)).json
    assert (rule["enabled"], rule["actions"], rule["default"]) == (True, ["notify"], True)
    assert (await alice.client.delete(path)).status == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "errcode"),
    [
        ("content/.mine", CAKE, 400, "M_INVALID_PARAM"),
        ("content/a%2Fb", CAKE, 400, "M_INVALID_PARAM"),
        ("content/a%5Cb", CAKE, 400, "M_INVALID_PARAM"),
        (f"content/{'a' * 256}", CAKE, 400, "M_INVALID_PARAM"),
        ("cakes/mine", CAKE, 400, "M_INVALID_PARAM"),
        ("content/mine", {"actions": []}, 400, "M_MISSING_PARAM"),
        ("content/mine", {"pattern": "x"}, 400, "M_MISSING_PARAM"),
        ("content/mine", {"pattern": 5, "actions": []}, 400, "M_BAD_JSON"),
        ("content/mine", {**CAKE, "actions": "notify"}, 400, "M_BAD_JSON"),
        ("content/mine", {**CAKE, "actions": [5]}, 400, "M_BAD_JSON"),
        ("content/mine", {**CAKE, "actions": [{"value": 1}]}, 400, "M_BAD_JSON"),
        ("content/mine", {**CAKE, "actions": ["cake"]}, 400, "M_INVALID_PARAM"),
        ("content/mine", {**CAKE, "actions": [{"set_tweak": 1}]}, 400, "M_BAD_JSON"),
        ("override/mine", {"actions": [], "conditions": {}}, 400, "M_BAD_JSON"),
        ("override/mine", {"actions": [], "conditions": [{}]}, 400, "M_MISSING_PARAM"),
        ("content/mine?before=none", CAKE, 400, "M_UNKNOWN"),
        ("content/mine?after=.m.rule.message", CAKE, 400, "M_UNKNOWN"),
        ("content/mine", {**CAKE, "pattern": "x" * 65_536}, 413, "M_TOO_LARGE"),
        ("content/none/enabled", {"enabled": True}, 404, "M_NOT_FOUND"),
        ("content/none/actions", {"actions": []}, 404, "M_NOT_FOUND"),
        ("cakes/none/actions", {"actions": []}, 404, "M_NOT_FOUND"),
        ("override/.m.rule.master/actions", {"actions": ["cake"]}, 400, "M_INVALID_PARAM"),
        ("override/.m.rule.master/enabled", {"enabled": 1}, 400, "M_BAD_JSON"),
        ("override/.m.rule.master/actions", {}, 400, "M_MISSING_PARAM"),
    ],
)
async def test_an_impossible_rule_is_refused(
    alice: User, path: str, body: dict[str, Any], status: int, errcode: str
) -> None:
    before = (await alice.client.get(f"{RULES}/")).json

    answer = await alice.client.put(f"{RULES}/{path}", body)

    assert (answer.status, answer.errcode) == (status, errcode)
    assert (await alice.client.get(f"{RULES}/")).json == before


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_rules_of_one_kind_are_read(alice: User, slash: str) -> None:
    await alice.client.put(f"{RULES}/content/nocake", CAKE)

    answer = await alice.client.get(f"{RULES}/content{slash}")

    assert answer.json == (await alice.client.get(f"{RULES}/")).json["content"]
    assert answer.json[0]["rule_id"] == "nocake"


@pytest.mark.parametrize(
    "path",
    [
        "content/none",
        "content/none/enabled",
        "room/none/actions",
        "cakes/none",
        "cakes/none/enabled",
        "cakes/",
    ],
)
async def test_a_rule_that_is_not_there_is_not_found(alice: User, path: str) -> None:
    answer = await alice.client.get(f"{RULES}/{path}")

    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


async def test_changed_rules_are_announced_as_account_data(
    server: UserApiServer, alice: User
) -> None:
    before = len(await server.all_announced())

    await alice.client.put(f"{RULES}/content/nocake", CAKE)
    await alice.client.put(f"{RULES}/content/nocake", CAKE)

    (record,) = (await server.all_announced())[before:]
    assert isinstance(record, AccountDataChanged)
    assert (record.user_id, record.type) == (alice.user_id, "m.push_rules")
    assert decode_json(record.content)["global"]["content"][0]["rule_id"] == "nocake"


async def test_changes_of_one_user_are_limited(deployment: Deployment, log: Log) -> None:
    rate = UserApiSettings().login_token_rate_per_user
    async with deployment.start(log, request_rate_per_user=rate) as server:
        alice = await server.user("alice")
        path = f"{RULES}/content/nocake"

        answers = [await alice.client.put(path, CAKE) for _ in range(6)]

        assert [answer.status for answer in answers] == [200] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) > 0


async def test_rules_that_ask_too_much_of_each_event_are_refused(alice: User) -> None:
    for number in range(20):
        rule = {"pattern": "?" * 500, "actions": ["notify"]}
        assert (await alice.client.put(f"{RULES}/content/{number}", rule)).status == 200

    many = [{"kind": "event_match", "key": "content.body", "pattern": "x" * 500}] * 20
    refused = await alice.client.put(
        f"{RULES}/override/many", {"conditions": many, "actions": ["notify"]}
    )

    assert (refused.status, refused.errcode) == (413, "M_TOO_LARGE")
    assert "many" not in await ids(alice, "override")
    assert (await alice.client.delete(f"{RULES}/content/0")).status == 200
