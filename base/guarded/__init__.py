"""Requests to addresses that somebody else named: other servers, push gateways, linked pages."""

from base.guarded.addresses import DENIED_NETWORKS, AddressRules
from base.guarded.answer import GuardedAnswer
from base.guarded.client import GuardedClient, GuardedLimits, UrlRules
from base.guarded.errors import (
    AddressRefused,
    AnswerBroken,
    AnswerTooLarge,
    AnswerTooLate,
    GuardedRequestError,
    NotReached,
    TooManyRedirects,
    UrlRefused,
)
from base.guarded.resolving import NameResolver, SystemResolver

__all__ = [
    "DENIED_NETWORKS",
    "AddressRefused",
    "AddressRules",
    "AnswerBroken",
    "AnswerTooLarge",
    "AnswerTooLate",
    "GuardedAnswer",
    "GuardedClient",
    "GuardedLimits",
    "GuardedRequestError",
    "NameResolver",
    "NotReached",
    "SystemResolver",
    "TooManyRedirects",
    "UrlRefused",
    "UrlRules",
]
