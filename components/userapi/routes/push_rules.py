"""The requester's push rules."""

from functools import partial
from typing import Final

from base.http import Request, Response, Router, empty_response, json_response
from components.userapi.push_rule_changes import (
    Place,
    Rule,
    find_rule,
    find_rules,
    parse_actions,
    parse_rule,
)
from components.userapi.user_push_rules import PushRuleService
from internalapi.userapi import Requester
from matrix.canonical import encode_canonical
from requesting.requesters import Requesters

_PUSH_RULES: Final = "/_matrix/client/v3/pushrules"
_R0: Final = ("r0",)


class PushRuleRoutes:
    """The endpoints of push rules."""

    def __init__(self, *, requesters: Requesters, rules: PushRuleService) -> None:
        self._requesters = requesters
        self._rules = rules

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        everything, of_user = _PUSH_RULES, f"{_PUSH_RULES}/global"
        of_kind = f"{of_user}/{{kind}}"
        rule = f"{of_kind}/{{rule_id}}"
        reading = partial(self._requesters.by_user, suspended=True)
        changing = partial(reading, limited=True)
        router.get([everything, f"{everything}/"], reading(self._all_rules), versions=_R0)
        router.get([of_user, f"{of_user}/"], reading(self._global_rules), versions=_R0)
        router.get([of_kind, f"{of_kind}/"], reading(self._rules_of_kind), versions=_R0)
        router.get(rule, reading(self._rule), versions=_R0)
        router.put(rule, changing(self._put_rule), versions=_R0)
        router.delete(rule, changing(self._delete_rule), versions=_R0)
        router.get(f"{rule}/enabled", reading(self._is_enabled), versions=_R0)
        router.put(f"{rule}/enabled", changing(self._enable), versions=_R0)
        router.get(f"{rule}/actions", reading(self._actions), versions=_R0)
        router.put(f"{rule}/actions", changing(self._set_actions), versions=_R0)

    async def _all_rules(self, _request: Request, requester: Requester) -> Response:
        rules = await self._rules.query_rules(requester.user_id)
        return json_response(encode_canonical({"global": rules}))

    async def _global_rules(self, _request: Request, requester: Requester) -> Response:
        return json_response(encode_canonical(await self._rules.query_rules(requester.user_id)))

    async def _rules_of_kind(self, request: Request, requester: Requester) -> Response:
        rules = await self._rules.query_rules(requester.user_id)
        return json_response(encode_canonical(find_rules(rules, request.path["kind"])))

    async def _rule(self, request: Request, requester: Requester) -> Response:
        return json_response(encode_canonical(await self._find(request, requester)))

    async def _is_enabled(self, request: Request, requester: Requester) -> Response:
        return json_response({"enabled": (await self._find(request, requester))["enabled"]})

    async def _actions(self, request: Request, requester: Requester) -> Response:
        return json_response(
            encode_canonical({"actions": (await self._find(request, requester))["actions"]})
        )

    async def _put_rule(self, request: Request, requester: Requester) -> Response:
        kind, rule_id = request.path["kind"], request.path["rule_id"]
        rule = parse_rule(kind, rule_id, await request.fields())
        place = Place(before=request.query_str("before"), after=request.query_str("after"))
        await self._rules.perform_put_rule(requester.user_id, kind, rule, place)
        return empty_response()

    async def _delete_rule(self, request: Request, requester: Requester) -> Response:
        await self._rules.perform_remove_rule(
            requester.user_id, request.path["kind"], request.path["rule_id"]
        )
        return empty_response()

    async def _enable(self, request: Request, requester: Requester) -> Response:
        is_enabled = (await request.fields()).boolean("enabled")
        return await self._set(request, requester, "enabled", is_enabled)

    async def _set_actions(self, request: Request, requester: Requester) -> Response:
        return await self._set(request, requester, "actions", parse_actions(await request.fields()))

    async def _find(self, request: Request, requester: Requester) -> Rule:
        rules = await self._rules.query_rules(requester.user_id)
        return find_rule(rules, request.path["kind"], request.path["rule_id"])

    async def _set(
        self, request: Request, requester: Requester, field: str, value: object
    ) -> Response:
        await self._rules.perform_set_rule_field(
            requester.user_id, request.path["kind"], request.path["rule_id"], field, value
        )
        return empty_response()
