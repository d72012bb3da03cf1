"""What other components ask the client API to write into rooms."""

from typing import Protocol

from matrix.identifiers import UserID


class Departures(Protocol):
    """Takes users out of their rooms."""

    async def perform_leave_all(self, *, user_id: UserID) -> None:
        """Leave all rooms, reject all invites and retract all knocks of a local user.

        A repeat after a part was done does the rest. Raises `Unavailable` when it has to be
        repeated later; a room that cannot be left is passed over.
        """
        ...
