"""Pages in a web browser for clients that cannot show a stage or a login by themselves."""

from typing import Final
from urllib.parse import parse_qsl

from base.http import Fields, Request, Response, Router
from components.userapi.interactive_auth import REGISTRATION_TOKEN
from components.userapi.pages import done_page, login_page, problem_page, stage_page
from components.userapi.rates import UserApiRates
from components.userapi.registration import RegistrationService
from matrix.errors import Forbidden, InvalidParam, MatrixError

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)
_FORM_FIELDS_MAX: Final = 10
_FORM_BYTES_MAX: Final = 8192


class FallbackRoutes:
    """The pages; what is wrong is told as a page as well."""

    def __init__(self, *, registrations: RegistrationService, rates: UserApiRates) -> None:
        self._registrations = registrations
        self._rates = rates

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        router.get("/_matrix/static/client/login/", self._login)
        page = f"{_V3}/auth/{{stage}}/fallback/web"
        router.get(page, self._stage, versions=_R0)
        router.post(page, self._complete_stage, versions=_R0, max_body_bytes=_FORM_BYTES_MAX)

    async def _login(self, _request: Request) -> Response:
        return login_page()

    async def _stage(self, request: Request) -> Response:
        stage = request.path["stage"]
        session_id = request.query.get("session")
        if not self._registrations.has_stage(stage):
            return problem_page("There is no page for this stage.", 404)
        if not session_id:
            return problem_page("The session is missing in the address of this page.", 400)
        return stage_page(session_id, asks_for_token=stage == REGISTRATION_TOKEN)

    async def _complete_stage(self, request: Request) -> Response:
        stage = request.path["stage"]
        if not self._registrations.has_stage(stage):
            return problem_page("There is no page for this stage.", 404)
        try:
            form = _form(await request.body())
            session_id = form.string("session")
            self._rates.check_registration(request.client_address)
            await self._registrations.perform_complete_stage(session_id, stage, form)
        except Forbidden as refusal:
            return stage_page(
                session_id,
                asks_for_token=stage == REGISTRATION_TOKEN,
                problem=refusal.message,
            )
        except MatrixError as refusal:
            return problem_page(refusal.message, refusal.status)
        return done_page()


def _form(body: bytes) -> Fields:
    try:
        pairs = parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=_FORM_FIELDS_MAX)
    except ValueError as error:
        raise InvalidParam("This is not the form of the page.") from error
    return Fields(dict(pairs))
