"""The authorisation rules of room versions 1 to 12 (each version's "Authorization rules").

An event is checked several times: its list of auth events (`check_auth_events`), then itself
against the state made of them, against the state before it, and against the current state (all
three `check_auth`). `auth_state_keys` says which state a check looks at.
"""

from matrix.auth_rules.general import State, check_auth
from matrix.auth_rules.selection import auth_state_keys, check_auth_events

__all__ = ["State", "auth_state_keys", "check_auth", "check_auth_events"]
