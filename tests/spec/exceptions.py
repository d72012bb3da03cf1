"""What answers are not held to, and what the specification's files have wrong, with reasons."""

import re
from typing import Any, Final

NOT_THE_CLIENT_API: Final = (
    re.compile(r"/"),  # the page for people
    re.compile(r"/(_synapse|_xylem)/.*"),  # for operators
    re.compile(r"/(health|metrics).*"),
    re.compile(r"/internal/.*"),  # for other components
    re.compile(r"/_matrix/static/.*"),  # pages for people
    re.compile(r"/_matrix/client/[^/]+/auth/[^/]+/fallback/web.*"),
    re.compile(r"/_matrix/(federation|key)/.*"),  # for servers
    re.compile(r"/_matrix/client/unstable/.*"),  # former names
    re.compile(r"/_matrix/client/[^/]+/pushrules/global/[^/]+/?"),  # as other servers have it
)
"""Paths that the specification's files of the client-server API do not describe."""

FURTHER_ERRORS: Final[dict[str, dict[int, frozenset[str]]]] = {
    # The prose of these codes is general; only the requests for tokens list them.
    "POST /_matrix/client/v3/account/3pid/add": {403: frozenset({"M_THREEPID_DENIED"})},
    "POST /_matrix/client/v3/account/3pid/bind": {403: frozenset({"M_THREEPID_DENIED"})},
    # A page that cannot be fetched; clients know it from other servers.
    "GET /_matrix/client/v1/media/preview_url": {502: frozenset({"M_UNKNOWN"})},
    "GET /_matrix/media/v3/preview_url": {502: frozenset({"M_UNKNOWN"})},
}
"""Errors that an endpoint may have and the files don't list."""

EMPTY_ANSWERS: Final = frozenset(
    {
        # A server without TURN has no other way to say so, and clients know this one.
        "GET /_matrix/client/v3/voip/turnServer",
    }
)
"""Where `{}` is right, too."""

CHOOSES_FIELDS: Final = "event_fields"
"""A filter with this in the query of /sync leaves required fields of events out."""


def correct(document: dict[str, Any]) -> None:
    """Mend what the files say wrongly."""
    paths = document["paths"]
    # A state event is an object, too, so that "one of" both can never be.
    state = paths["/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}"]["get"]
    content = state["responses"]["200"]["content"]["application/json"]
    content["schema"]["anyOf"] = content["schema"].pop("oneOf")
    # A member without a name or an avatar has null there, as on other servers.
    members = paths["/_matrix/client/v3/rooms/{roomId}/joined_members"]["get"]
    schema = members["responses"]["200"]["content"]["application/json"]["schema"]
    (profile,) = schema["properties"]["joined"]["patternProperties"].values()
    for name in ("display_name", "avatar_url"):
        profile["properties"][name] = {"anyOf": [profile["properties"][name], {"type": "null"}]}
