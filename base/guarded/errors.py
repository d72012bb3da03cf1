"""Why a guarded request has no answer.

GuardedRequestError
├── UrlRefused         the URL is not of a kind that is asked
├── AddressRefused     its host is in a network that is denied
├── NotReached         there is no such host, nobody listens, or the certificate is not believed
├── TooManyRedirects
├── AnswerTooLate      the time for the whole request is over
├── AnswerTooLarge
└── AnswerBroken       what came is not HTTP, breaks off, or cannot be decompressed
"""


class GuardedRequestError(Exception):
    """A request to an address that somebody else named has failed or was refused."""


class UrlRefused(GuardedRequestError):
    """The URL is not of a kind that is asked."""


class AddressRefused(GuardedRequestError, OSError):
    """The host is in a network that is denied."""


class NotReached(GuardedRequestError):
    """The host cannot be found or reached."""


class TooManyRedirects(GuardedRequestError):
    """The answer was one redirect more than allowed."""


class AnswerTooLate(GuardedRequestError):
    """The answer was not complete in time."""


class AnswerTooLarge(GuardedRequestError):
    """The answer has more bytes than wanted."""


class AnswerBroken(GuardedRequestError):
    """The answer is not HTTP, breaks off, or cannot be decompressed."""
