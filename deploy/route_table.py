"""Which component answers which public path: the table that all proxies' routes are made from.

`python -m deploy.proxy_files` writes it down for nginx, Caddy and the Helm chart. A component with
new paths needs a line here; a test compares the table with the routes that the components have.

In a pattern, `*` stands for one segment, `{a,b}` for one of these, and `/**` at the end for any
further segments or none. No two lines match the same request, so that their order never matters:
proxies differ in which of two regular expressions they prefer.
"""

import re
from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

READS: Final = ("GET", "HEAD")
OTHERS: Final = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS")

FALLBACK: Final = "clientapi"
"""Answers what no line matches under /_matrix, for it has the errors that the spec asks for."""

_SEGMENT: Final = "[^/?]+"
_REST: Final = "(/[^?]*)?"
_CHOICE: Final = re.compile(r"\{([^{}]+)\}")


class Line(NamedTuple):
    """Requests that go to one component."""

    component: str
    pattern: str
    methods: tuple[str, ...] = ()
    """Empty for all methods."""

    @property
    def expression(self) -> str:
        """The pattern as a regular expression without anchors, for paths as they were sent.

        It means the same to Python, PCRE and RE2.
        """
        path = self.pattern.removesuffix("/**")
        choices = _CHOICE.split(path)
        parts = [
            f"({'|'.join(map(_literal, part.split(',')))})" if index % 2 else _literal(part)
            for index, part in enumerate(choices)
        ]
        return "".join(parts) + (_REST if path != self.pattern else "")

    def alternatives(self) -> Iterator["Line"]:
        """Yield the line once for each choice of its alternatives."""
        parts = _CHOICE.split(self.pattern)
        options = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
        for chosen in product(*options):
            yield self._replace(pattern="".join(chosen))

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request with this path, percent-encoded as it was sent, is meant."""
        if self.methods and method not in self.methods:
            return False
        return re.fullmatch(self.expression, path) is not None


def _literal(text: str) -> str:
    return _SEGMENT.join(re.escape(part).replace(r"\-", "-") for part in text.split("*"))


_CLIENT: Final = "/_matrix/client/*"
_ROOM: Final = f"{_CLIENT}/rooms/*"
_FORMER: Final = "/_matrix/client/unstable"
"""Names from before the specification took the endpoints in."""

TABLE: Final = (
    Line("userapi", "/"),
    Line("userapi", "/.well-known/matrix/{client,support}"),
    Line("userapi", "/_matrix/client/versions"),
    Line("userapi", "/_matrix/static/client/login/**"),
    Line("userapi", f"{_CLIENT}/{{account,admin,auth,capabilities,delete_devices,devices}}/**"),
    Line("userapi", f"{_CLIENT}/{{login,logout,pushrules,refresh,register,thirdparty}}/**"),
    Line("userapi", f"{_CLIENT}/{{user,voip}}/**"),
    Line("userapi", f"{_CLIENT}/profile/**", READS),
    Line("userapi", f"{_CLIENT}/users/*/report"),
    Line("userapi", "/_synapse/admin/**"),
    # The names of members are part of the state of their rooms.
    Line("clientapi", f"{_CLIENT}/profile/**", OTHERS),
    Line("clientapi", f"{_CLIENT}/{{createRoom,directory,join,knock,publicRooms}}/**"),
    Line("clientapi", f"{_CLIENT}/mutual_rooms"),
    Line("clientapi", f"{_ROOM}/{{ban,forget,invite,join,kick,leave,unban,upgrade}}"),
    Line("clientapi", f"{_ROOM}/{{aliases,read_markers,receipt,redact,send,typing}}/**"),
    Line("clientapi", f"{_ROOM}/state/**", OTHERS),
    Line("syncapi", f"{_CLIENT}/{{initialSync,joined_rooms,sync}}"),
    Line("syncapi", f"{_CLIENT}/events/**"),
    Line("syncapi", f"{_ROOM}/{{context,event,initialSync,joined_members,members,messages}}/**"),
    Line("syncapi", f"{_ROOM}/{{hierarchy,report,timestamp_to_event}}/**"),
    Line("syncapi", f"{_CLIENT}/room_summary/*"),
    Line("syncapi", f"{_CLIENT}/user_directory/search"),
    Line("syncapi", f"{_ROOM}/{{relations,threads}}/**"),
    Line("syncapi", f"{_ROOM}/state/**", READS),
    Line("userapi", f"{_FORMER}/org.matrix.{{msc2918,msc3231,msc3882,msc4260}}/**"),
    Line("userapi", f"{_FORMER}/uk.timedout.msc4323/**"),
    Line("userapi", f"{_FORMER}/uk.tcpip.msc4133/**", READS),
    Line("clientapi", f"{_FORMER}/uk.tcpip.msc4133/**", OTHERS),
    Line("clientapi", f"{_FORMER}/{{org.matrix.msc2432,uk.half-shot.msc2666}}/**"),
    Line("clientapi", f"{_FORMER}/xyz.amorgan.knock/**"),
    Line("syncapi", f"{_FORMER}/im.nheko.summary/**"),
    Line("syncapi", f"{_FORMER}/org.matrix.{{msc2946,msc3030,msc3856,msc4151}}/**"),
)


def component_for(method: str, path: str) -> str | None:
    """Return which component a request goes to, or `None` if no line matches it."""
    found = (line.component for line in TABLE if line.matches(method, path))
    return next(found, None)


def served_components() -> list[str]:
    """Return the components that clients reach, in the order of the table."""
    return list(dict.fromkeys(line.component for line in TABLE))
