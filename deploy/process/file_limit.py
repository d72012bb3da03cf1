"""How many files a process may have open, and how many of them its connections get."""

import logging
import resource
from collections.abc import Sequence
from typing import Final

from deploy.settings import ListenerSettings

_log: Final = logging.getLogger(__name__)

_RESERVED_FILES: Final = 512
"""Files that no connection takes: of the log, the databases and the calls of other processes."""


def connections_of(listeners: Sequence[ListenerSettings]) -> dict[ListenerSettings, int]:
    """Let the process have the files that its listeners ask for; return what each may take.

    Where the system does not allow so many, the reserve is half of what it does at most, and each
    listener gets what it asks for or an equal share: probes come through while clients are many.
    """
    wanted = {one: one.max_connections for one in listeners}
    files = _raised_limit(sum(wanted.values()) + _RESERVED_FILES)
    shared = _shares(wanted, files - min(_RESERVED_FILES, files // 2))
    if shared != wanted:
        _log.warning(
            "Fewer connections than the settings allow: raise the limit of open files",
            extra={"open_files": files, "connections": sum(shared.values())},
        )
    return shared


def _raised_limit(wanted: int) -> int:
    """Raise the limit of open files as far as it may be, up to what is wanted; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return allowed
    return wanted if soft == resource.RLIM_INFINITY else soft


def _shares(wanted: dict[ListenerSettings, int], available: int) -> dict[ListenerSettings, int]:
    """Return what each gets: what it wants, or an equal share of what is left by the modest."""
    shares: dict[ListenerSettings, int] = {}
    for listener in sorted(wanted, key=wanted.__getitem__):
        share = available // (len(wanted) - len(shares))
        shares[listener] = max(1, min(wanted[listener], share))
        available -= shares[listener]
    return shares
