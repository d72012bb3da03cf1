"""Names that endpoints and parameters had before the specification took them in.

Clients ask by them as long as `/versions` does not have the version of the specification that
brought the endpoint. An endpoint answers under its former names as under its own; one that
answered otherwise then has handlers of its own for them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

_CLIENT: Final = "/_matrix/client"
_UNSTABLE: Final = f"{_CLIENT}/unstable"

_MSC3231_STAGE: Final = "org.matrix.msc3231.login.registration_token"

FORMER_PATHS: Final[Mapping[str, Sequence[str]]] = {
    f"{_CLIENT}/v1/rooms/{{}}/hierarchy": (f"{_UNSTABLE}/org.matrix.msc2946/rooms/{{}}/hierarchy",),
    f"{_CLIENT}/v1/rooms/{{}}/timestamp_to_event": (
        f"{_UNSTABLE}/org.matrix.msc3030/rooms/{{}}/timestamp_to_event",
    ),
    f"{_CLIENT}/v1/rooms/{{}}/threads": (f"{_UNSTABLE}/org.matrix.msc3856/rooms/{{}}/threads",),
    f"{_CLIENT}/v1/rooms/{{}}/relations/{{}}": (f"{_UNSTABLE}/rooms/{{}}/relations/{{}}",),
    f"{_CLIENT}/v1/rooms/{{}}/relations/{{}}/{{}}": (
        f"{_UNSTABLE}/rooms/{{}}/relations/{{}}/{{}}",
    ),
    f"{_CLIENT}/v1/rooms/{{}}/relations/{{}}/{{}}/{{}}": (
        f"{_UNSTABLE}/rooms/{{}}/relations/{{}}/{{}}/{{}}",
    ),
    f"{_CLIENT}/v1/mutual_rooms": (f"{_UNSTABLE}/uk.half-shot.msc2666/user/mutual_rooms",),
    f"{_CLIENT}/v1/login/get_token": (f"{_UNSTABLE}/org.matrix.msc3882/login/get_token",),
    f"{_CLIENT}/v1/register/m.login.registration_token/validity": (
        f"{_UNSTABLE}/org.matrix.msc3231/register/{_MSC3231_STAGE}/validity",
    ),
    f"{_CLIENT}/v1/admin/lock/{{}}": (f"{_UNSTABLE}/uk.timedout.msc4323/admin/lock/{{}}",),
    f"{_CLIENT}/v1/admin/suspend/{{}}": (f"{_UNSTABLE}/uk.timedout.msc4323/admin/suspend/{{}}",),
    f"{_CLIENT}/v3/refresh": (f"{_UNSTABLE}/org.matrix.msc2918/refresh",),
    f"{_CLIENT}/v3/profile/{{}}": (f"{_UNSTABLE}/uk.tcpip.msc4133/profile/{{}}",),
    f"{_CLIENT}/v3/profile/{{}}/{{}}": (f"{_UNSTABLE}/uk.tcpip.msc4133/profile/{{}}/{{}}",),
    f"{_CLIENT}/v3/rooms/{{}}/aliases": (f"{_UNSTABLE}/org.matrix.msc2432/rooms/{{}}/aliases",),
    f"{_CLIENT}/v3/rooms/{{}}/report": (f"{_UNSTABLE}/org.matrix.msc4151/rooms/{{}}/report",),
    f"{_CLIENT}/v3/users/{{}}/report": (f"{_UNSTABLE}/org.matrix.msc4260/users/{{}}/report",),
    f"{_CLIENT}/v3/knock/{{}}": (f"{_UNSTABLE}/xyz.amorgan.knock/knock/{{}}",),
}
"""Former paths by the path of today; `{}` stands for a parameter, in the same order."""

FORMER_PARAMETERS: Final[Mapping[str, str]] = {
    "org.matrix.msc3715.dir": "dir",
    "org.matrix.msc3981.recurse": "recurse",
    "batch_token": "from",  # of shared rooms
}
"""Parameters of queries by their former names."""

_parameter: Final = re.compile(r"\{[^{}]+\}")


def former_templates(template: str) -> list[str]:
    """Return under which templates the endpoint of this one was found formerly."""
    parameters = _parameter.findall(template)
    paths = FORMER_PATHS.get(_parameter.sub("{}", template), ())
    return [path.format(*parameters) for path in paths]
