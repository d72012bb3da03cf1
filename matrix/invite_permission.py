"""Whom users let invite them (client-server API, "Invite permission")."""

from collections.abc import Mapping
from typing import Any, Final

INVITE_PERMISSION: Final = "m.invite_permission_config"
"""The type of the account data."""


def blocks_invites(content: Mapping[str, Any]) -> bool:
    """Return whether the content of the account data lets nobody invite its user."""
    return content.get("default_action") == "block"
