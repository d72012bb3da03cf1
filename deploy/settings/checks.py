"""What settings have to be that no type can say."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from deploy.errors import SettingsInvalid
from deploy.settings import Api, ListenerSettings, Settings
from deploy.settings.secret_files import HOW_TO_MAKE_ONE, SECRET_CHARACTERS_MIN
from logs.topics import TOPICS
from matrix.errors import MatrixError
from matrix.identifiers import parse_server_name
from matrix.room_versions import ROOM_VERSIONS

_DATABASES: Final = ("sqlite:///", "postgresql://")
_BASE_URL: Final = re.compile(r"https?://[^/\s?#@]+/?")


def check(settings: Settings, source: str) -> None:
    """Raise for what no type can say."""
    try:
        parse_server_name(settings.server_name)
    except MatrixError as error:
        raise SettingsInvalid(
            f"{source}: server_name: '{settings.server_name}' is no server name.",
            "It is a domain such as example.org, a port may follow.",
        ) from error
    if settings.default_room_version not in ROOM_VERSIONS:
        raise SettingsInvalid(
            f"{source}: default_room_version: there is no room version "
            f"'{settings.default_room_version}'.",
            f"Known are: {', '.join(ROOM_VERSIONS)}.",
        )
    if settings.database.url and not settings.database.url.startswith(_DATABASES):
        raise SettingsInvalid(
            f"{source}: database.url: expected sqlite:///folder or postgresql://user@host/database."
        )
    _check_retention(settings, source)
    _refuse_absurd_numbers(settings, "", source)
    _check_listeners(settings.listeners, source)
    _check_secret(settings, "internal", "secret", source)
    _check_secret(settings, "operators", "token", source)
    _check_urls(settings, source)
    traces = settings.observing.traces
    if traces is not None and not traces.endpoint.startswith(("http://", "https://")):
        raise SettingsInvalid(
            f"{source}: observing.traces.endpoint: expected a URL, got '{traces.endpoint}'.",
            "Such as http://localhost:4318/v1/traces",
        )


def _check_retention(settings: Settings, source: str) -> None:
    for name in ("retention_h", "retention_bytes"):
        for topic in getattr(settings.log, name):
            if topic not in TOPICS:
                raise SettingsInvalid(
                    f"{source}: log.{name}: there is no topic '{topic}'.",
                    f"Known are: {', '.join(TOPICS)}.",
                )


def _check_listeners(listeners: Sequence[ListenerSettings], source: str) -> None:
    taken: dict[tuple[str, int], int] = {}
    for number, listener in enumerate(listeners):
        place = (listener.address, listener.port)
        if listener.port and place in taken:
            raise SettingsInvalid(
                f"{source}: listeners[{number}]: {listener.address} port {listener.port} is "
                f"taken by listeners[{taken[place]}].",
                "List all apis in one listener, or give it another port.",
            )
        taken[place] = number
        for private in ("internal", "operators"):
            if {"client", private} <= set(listener.apis):
                raise SettingsInvalid(
                    f"{source}: listeners[{number}]: `client` and `{private}` share a listener.",
                    f"Clients must not reach `{private}`: give it a listener with another port, "
                    "which only your own machines can reach.",
                )


def _check_secret(settings: Settings, api: Api, name: str, source: str) -> None:
    """Raise unless an API has one secret that nobody guesses, or is not served."""
    section = getattr(settings, api)
    secret, path = getattr(section, name), getattr(section, f"{name}_path")
    if secret and path:
        raise SettingsInvalid(f"{source}: {api}: `{name}` and `{name}_path` are both set.")
    if secret and len(secret) < SECRET_CHARACTERS_MIN:
        raise SettingsInvalid(
            f"{source}: {api}.{name} has fewer than {SECRET_CHARACTERS_MIN} characters.",
            HOW_TO_MAKE_ONE,
        )
    is_served = any(api in listener.apis for listener in settings.listeners)
    if is_served and not (secret or path):
        raise SettingsInvalid(
            f"{source}: a listener serves `{api}`, and {api}.{name} is not set.",
            HOW_TO_MAKE_ONE,
        )


def _check_urls(settings: Settings, source: str) -> None:
    for component, urls in msgspec.structs.asdict(settings.internal.urls).items():
        for url in [urls] if isinstance(urls, str) else urls:
            if _BASE_URL.fullmatch(url) is None:
                raise SettingsInvalid(
                    f"{source}: internal.urls.{component}: '{url}' is no base URL.",
                    "It is like http://10.0.0.5:8009, without a path.",
                )


def _refuse_absurd_numbers(value: object, place: str, source: str) -> None:
    """Raise for numbers below 0, and for rates at which nothing ever happens."""
    if isinstance(value, tuple | list):
        for index, inner in enumerate(value):
            _refuse_absurd_numbers(inner, f"{place}[{index}]", source)
    if not isinstance(value, msgspec.Struct):
        return
    for field in msgspec.structs.fields(value):
        inner, inner_place = (
            getattr(value, field.name),
            f"{place}.{field.name}" if place else field.name,
        )
        if isinstance(inner, int | float) and inner < 0 and inner != field.default:
            raise SettingsInvalid(f"{source}: {inner_place}: {inner} is below 0.")
        if field.name in {"per_second", "burst"} and not inner:
            raise SettingsInvalid(
                f"{source}: {inner_place} has to be above 0.",
                "To have no limit, set the whole of the rate to null.",
            )
        _refuse_absurd_numbers(inner, inner_place, source)
