"""What clients say of the device on which they log in, and what they hear of the login."""

from typing import Any, Final

import msgspec

from base.http import Fields, Request
from components.userapi.text import checked_name
from components.userapi.tokens import Login, LoginRequest
from matrix.identifiers import DeviceID, ServerName, UserID

_USER_AGENT_CHARACTERS_MAX: Final = 500


def login_from(request: Request) -> LoginRequest:
    """Return a login on a new device, from where the request comes."""
    user_agent = request.header("user-agent")
    return LoginRequest(
        address=request.client_address or None,
        user_agent=None if user_agent is None else user_agent[:_USER_AGENT_CHARACTERS_MAX],
    )


def checked_login(body: Fields, request: Request) -> LoginRequest:
    """Return on which device the body of a request wants to log in. Raises `InvalidParam`."""
    device_id = body.optional_string("device_id") or None
    display_name = body.optional_string("initial_device_display_name")
    return msgspec.structs.replace(
        login_from(request),
        device_id=None if device_id is None else DeviceID(checked_name(device_id, "device_id")),
        display_name=None
        if display_name is None
        else checked_name(display_name, "initial_device_display_name", bytes_max=1024),
        is_refreshable=body.boolean("refresh_token", default=False),
    )


def login_answer(server_name: ServerName, user_id: UserID, login: Login | None) -> dict[str, Any]:
    """Return the answer to a registration or login; `None` where nobody logged in."""
    answer: dict[str, Any] = {"user_id": user_id, "home_server": server_name}
    if login is not None:
        answer.update(device_id=login.device_id, **tokens_of(login))
    return answer


def tokens_of(login: Login) -> dict[str, Any]:
    """Return the tokens of a login, as clients are told."""
    answer: dict[str, Any] = {"access_token": login.access_token}
    if login.refresh_token is not None:
        answer["refresh_token"] = login.refresh_token
    if login.expires_in_ms is not None:
        answer["expires_in_ms"] = login.expires_in_ms
    return answer
