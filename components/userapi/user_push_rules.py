"""The push rules of users: account data that the server keeps for them."""

from collections.abc import Callable
from typing import Any

from components.userapi.account_data import AccountDataService
from components.userapi.push_rule_changes import (
    Place,
    Rule,
    RuleSet,
    copy_rules_of_room,
    find_rule,
    put_rule,
    remove_rule,
)
from components.userapi.store.user_data import PUSH_RULES
from matrix.canonical import decode_json
from matrix.errors import TooLarge
from matrix.identifiers import RoomID, UserID
from matrix.push_rules.evaluation import MOST_WORK, own_work
from matrix.push_rules.predefined import default_push_rules


class PushRuleService:
    """Reads and changes push rules; each change is announced like other account data."""

    def __init__(self, account_data: AccountDataService) -> None:
        self._account_data = account_data

    async def query_rules(self, user_id: UserID) -> RuleSet:
        """Return the user's rules by kind."""
        return _rules_in(user_id, await self._account_data.find(user_id, None, PUSH_RULES))

    async def perform_put_rule(self, user_id: UserID, kind: str, rule: Rule, place: Place) -> None:
        """Add or change a rule of the user's own. Raises `NeighbourUnknown` and `TooLarge`."""
        await self._change(user_id, lambda rules: put_rule(rules, kind, rule, place))

    async def perform_copy_rules_of_room(
        self, user_id: UserID, old_room_id: RoomID, room_id: RoomID
    ) -> None:
        """Let what the user's rules say of a room hold for another one; again changes nothing."""
        await self._change(user_id, lambda rules: copy_rules_of_room(rules, old_room_id, room_id))

    async def perform_remove_rule(self, user_id: UserID, kind: str, rule_id: str) -> None:
        """Remove a rule of the user's own. Raises `NotFound`."""
        await self._change(user_id, lambda rules: remove_rule(rules, kind, rule_id))

    async def perform_set_rule_field(
        self, user_id: UserID, kind: str, rule_id: str, field: str, value: Any
    ) -> None:
        """Set `enabled` or `actions` of any rule. Raises `NotFound` and `TooLarge`."""

        def change(rules: RuleSet) -> None:
            find_rule(rules, kind, rule_id)[field] = value

        await self._change(user_id, change)

    async def _change(self, user_id: UserID, change: Callable[[RuleSet], None]) -> None:
        def changed(content: bytes | None) -> dict[str, Any]:
            rules = {"global": _rules_in(user_id, content)}
            allowed = max(MOST_WORK, own_work(rules))
            change(rules["global"])
            if own_work(rules) > allowed:
                raise TooLarge("The push rules ask too much of each event.")
            return rules

        await self._account_data.perform_change(user_id, None, PUSH_RULES, changed)


def _rules_in(user_id: UserID, content: bytes | None) -> RuleSet:
    stored = default_push_rules(user_id) if content is None else decode_json(content)
    rules: RuleSet = stored["global"]
    return rules
