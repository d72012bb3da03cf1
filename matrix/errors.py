"""Refusals that the specification names, each with its errcode and HTTP status.

MatrixError
├── Forbidden            403 M_FORBIDDEN
│   ├── WrongRoomKeysVersion   403 M_WRONG_ROOM_KEYS_VERSION
│   └── AuthRejected     403, an event that the authorisation rules of its room refuse
│       └── ContentRejected   400 M_BAD_JSON, where nobody might send such content
├── NotFound             404 M_NOT_FOUND
├── Unrecognized         404 M_UNRECOGNIZED
├── MethodNotAllowed     405 M_UNRECOGNIZED
├── NotJson, BadJson, InvalidParam, MissingParam, UnsupportedRoomVersion, ...   400
├── MissingToken, UnknownToken, UserLocked   401
├── CannotOverwriteMedia 409 M_CANNOT_OVERWRITE_MEDIA
├── TooLarge             413 M_TOO_LARGE
├── LimitExceeded        429 M_LIMIT_EXCEEDED
├── NotYetUploaded       504 M_NOT_YET_UPLOADED
└── Unavailable          503 M_UNKNOWN, a dependency is away or overloaded: try again
"""

from typing import Any, ClassVar


class MatrixError(Exception):
    """A refusal that a client or server hears as JSON `{errcode, error}` with a status."""

    errcode: ClassVar[str] = "M_UNKNOWN"
    status: ClassVar[int] = 400

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message or self.errcode)
        self.message = message or (self.__doc__ or self.errcode).strip().splitlines()[0]
        self.fields = fields

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the answer, extra fields included."""
        return {"errcode": self.errcode, "error": self.message, **self.fields}


class Forbidden(MatrixError):
    """You are not allowed to do this."""

    errcode = "M_FORBIDDEN"
    status = 403


class AuthRejected(Forbidden):
    """The authorisation rules of the room refuse this event."""


class ContentRejected(AuthRejected):
    """The authorisation rules of the room refuse such content, whoever sends it."""

    errcode = "M_BAD_JSON"
    status = 400


class WrongRoomKeysVersion(Forbidden):
    """Keys are stored in the current backup only, and this is another one."""

    errcode = "M_WRONG_ROOM_KEYS_VERSION"

    def __init__(self, current_version: str) -> None:
        super().__init__(current_version=current_version)


class NotFound(MatrixError):
    """There is nothing here."""

    errcode = "M_NOT_FOUND"
    status = 404


class Unrecognized(MatrixError):
    """The server does not know this endpoint."""

    errcode = "M_UNRECOGNIZED"
    status = 404


class MethodNotAllowed(MatrixError):
    """The endpoint does not take this method."""

    errcode = "M_UNRECOGNIZED"
    status = 405


class NotJson(MatrixError):
    """The body is not valid JSON."""

    errcode = "M_NOT_JSON"


class BadJson(MatrixError):
    """The body is JSON, but not of the expected shape."""

    errcode = "M_BAD_JSON"


class InvalidParam(MatrixError):
    """A parameter has an invalid value."""

    errcode = "M_INVALID_PARAM"


class MissingParam(MatrixError):
    """A required parameter is missing."""

    errcode = "M_MISSING_PARAM"


class MissingToken(MatrixError):
    """The request carries no access token."""

    errcode = "M_MISSING_TOKEN"
    status = 401


class UnknownToken(MatrixError):
    """The access token is not known."""

    errcode = "M_UNKNOWN_TOKEN"
    status = 401


class TooLarge(MatrixError):
    """The request or event is too large."""

    errcode = "M_TOO_LARGE"
    status = 413


class CannotOverwriteMedia(MatrixError):
    """This media has been uploaded already."""

    errcode = "M_CANNOT_OVERWRITE_MEDIA"
    status = 409


class NotYetUploaded(MatrixError):
    """This media has not been uploaded yet."""

    errcode = "M_NOT_YET_UPLOADED"
    status = 504


class LimitExceeded(MatrixError):
    """Too many requests: wait before the next one."""

    errcode = "M_LIMIT_EXCEEDED"
    status = 429

    def __init__(self, retry_after_ms: int, message: str = "") -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)
        self.retry_after_ms = retry_after_ms


class UserInUse(MatrixError):
    """The user ID is taken."""

    errcode = "M_USER_IN_USE"


class InvalidUsername(MatrixError):
    """The user name is not valid."""

    errcode = "M_INVALID_USERNAME"


class RoomInUse(MatrixError):
    """The room alias is taken."""

    errcode = "M_ROOM_IN_USE"


class InvalidRoomState(MatrixError):
    """The initial state of the room is not consistent."""

    errcode = "M_INVALID_ROOM_STATE"


class UnsupportedRoomVersion(MatrixError):
    """This server does not support the room version."""

    errcode = "M_UNSUPPORTED_ROOM_VERSION"


class GuestAccessForbidden(Forbidden):
    """Guests are not allowed here."""

    errcode = "M_GUEST_ACCESS_FORBIDDEN"


class InviteBlocked(Forbidden):
    """The user does not want to be invited."""

    errcode = "M_INVITE_BLOCKED"


class UserDeactivated(Forbidden):
    """The account has been deactivated."""

    errcode = "M_USER_DEACTIVATED"


class UserLocked(MatrixError):
    """The account is locked: it can be used again once it is unlocked."""

    errcode = "M_USER_LOCKED"
    status = 401


class UserSuspended(Forbidden):
    """The account is suspended, and cannot do this meanwhile."""

    errcode = "M_USER_SUSPENDED"


class AppserviceLoginUnsupported(MatrixError):
    """Application services cannot log in as their users."""

    errcode = "M_APPSERVICE_LOGIN_UNSUPPORTED"


class ThreepidDenied(Forbidden):
    """The server takes no third-party identifiers."""

    errcode = "M_THREEPID_DENIED"


class ThreepidNotFound(MatrixError):
    """No account has this third-party identifier."""

    errcode = "M_THREEPID_NOT_FOUND"


class ThreepidMediumNotSupported(MatrixError):
    """The server takes no third-party identifiers of this medium."""

    errcode = "M_THREEPID_MEDIUM_NOT_SUPPORTED"


class KeyTooLarge(MatrixError):
    """The name of the profile field is longer than 255 bytes."""

    errcode = "M_KEY_TOO_LARGE"


class ProfileTooLarge(MatrixError):
    """The profile would be larger than 64 KiB."""

    errcode = "M_PROFILE_TOO_LARGE"


class WeakPassword(MatrixError):
    """The password is too weak."""

    errcode = "M_WEAK_PASSWORD"


class DuplicateAnnotation(MatrixError):
    """You have annotated this event so already."""

    errcode = "M_DUPLICATE_ANNOTATION"


class Unavailable(MatrixError):
    """A part of the server is away or overloaded: try again."""

    errcode = "M_UNKNOWN"
    status = 503
