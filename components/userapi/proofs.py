"""How a user who is logged in proves once more to be themselves."""

from typing import Any

from base.http import Fields
from components.userapi.interactive_auth import PASSWORD, AuthenticationWanted, InteractiveAuth
from components.userapi.logins import LoginService
from internalapi.userapi import ProofOutcome, Requester


class Proofs:
    """Asks for the password before what a stolen access token must not do."""

    def __init__(self, interactive_auth: InteractiveAuth, logins: LoginService) -> None:
        self._interactive_auth = interactive_auth
        self._logins = logins

    async def recall(self, body: Fields) -> Fields:
        """Return the body of a request, or of the one that opened the session which it names."""
        return await self._interactive_auth.recall(body)

    async def prove(self, body: Fields, requester: Requester, operation: str) -> str | None:
        """Let the requester prove to be the user. Returns the session that the operation ends.

        Raises `AuthenticationWanted` until they have, and `Forbidden` for anybody else.
        """
        authenticated = await self._interactive_auth.authenticate(
            body,
            operation=operation,
            user_id=requester.user_id,
            flows=[[PASSWORD]],
            checks={PASSWORD: self._logins.password_check(requester)},
        )
        return authenticated.session_id


class UserProofService:
    """`internalapi.userapi.UserProofs`, for operations of other components."""

    def __init__(self, proofs: Proofs, interactive_auth: InteractiveAuth) -> None:
        self._proofs = proofs
        self._interactive_auth = interactive_auth

    async def perform_prove(
        self, *, requester: Requester, body: dict[str, Any], operation: str
    ) -> ProofOutcome:
        """Let the requester prove to be the user, for one operation; a proof is good once."""
        recalled = await self._proofs.recall(Fields(body))
        try:
            session_id = await self._proofs.prove(recalled, requester, operation)
        except AuthenticationWanted as wanted:
            return ProofOutcome(recalled.raw, wanted.body())
        if session_id is not None:
            await self._interactive_auth.end(session_id)
        return ProofOutcome(recalled.raw, None)
