"""What suspended accounts cannot do (client-server API, "Account suspension").

They read, leave rooms and redact what they sent. Whatever others would see besides is refused.
"""

from internalapi.userapi import Requester
from matrix.errors import UserSuspended


def require_active(requester: Requester) -> None:
    """Raise `UserSuspended` for a requester whose account is suspended."""
    if requester.is_suspended:
        raise UserSuspended("Your account is suspended: you cannot do this.")
