"""What operators call: media of users, and what is quarantined, as routes of FastAPI.

Only processes that serve operators import this.
"""

import logging
from typing import Annotated, Final, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.mediaapi.operating import MediaOperatorService
from components.mediaapi.store.operated import MediaFacts

_log: Final = logging.getLogger(__name__)

_Limit = Annotated[int, Query(ge=1, le=1000)]
_TIME_MAX_MS: Final = 2**53


class _Wanted(BaseModel):
    """What a request says: nothing that is not known, and each value of its type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class MediaState(BaseModel):
    """A medium as it stands."""

    media_id: str
    user_id: str = Field(description="Who has uploaded it.")
    content_type: str
    upload_name: str | None
    created_at_ms: int = Field(description="Milliseconds since the Unix epoch.")
    size: int | None = Field(description="Bytes; null until it is uploaded.")
    sha256: str | None = Field(description="Hash of its bytes, in hexadecimal digits.")
    is_open: bool = Field(description="Whether it can be downloaded without an access token.")
    is_quarantined: bool = Field(description="Whether nobody gets it.")


class MediaPage(BaseModel):
    """Media of a user, the oldest first."""

    media: list[MediaState]
    next_after: str | None = Field(description="`after` of the next page; null at the end.")


class QuarantinedPage(BaseModel):
    """SHA-256 hashes of quarantined bytes, in hexadecimal digits."""

    sha256: list[str]
    next_after: str | None = Field(description="`after` of the next page; null at the end.")


class DeletedMedia(BaseModel):
    """It is deleted."""

    deleted: int = Field(description="How many media.")


class UsersMedia(_Wanted):
    """Which media of a user."""

    user: str = Field(max_length=255, description="The user ID, or its part between `@` and `:`.")
    created_before_ms: int | None = Field(
        None, ge=0, le=_TIME_MAX_MS, description="Since the Unix epoch; null for all media."
    )


class WhichBytes(_Wanted):
    """Bytes, by one of these."""

    media_id: str | None = Field(None, max_length=255, description="Those of this media.")
    user: str | None = Field(
        None, max_length=255, description="All that this user has uploaded until now."
    )
    sha256: str | None = Field(
        None, max_length=64, description="Those with this hash, uploaded or not."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(one is not None for one in (self.media_id, self.user, self.sha256)) != 1:
            raise ValueError("exactly one of media_id, user and sha256 is given")
        return self


class ChangedBytes(BaseModel):
    """It is done."""

    changed: int = Field(description="How many different files this was new for.")


def operator_router(operator: MediaOperatorService) -> APIRouter:
    """Return the routes; who calls them has been recognised before."""
    router = APIRouter(prefix="/_xylem/v1")
    _add_media(router, operator)
    _add_quarantine(router, operator)
    return router


def _add_media(router: APIRouter, operator: MediaOperatorService) -> None:
    @router.get("/media")
    async def list_media(
        user: Annotated[str, Query(max_length=255, description="User ID, or its local part.")],
        after: Annotated[str, Query(max_length=300, description="`next_after` of a page.")] = "",
        limit: _Limit = 100,
    ) -> MediaPage:
        """List what a user has uploaded, or created to upload it later."""
        found, next_after = await operator.query_media_of_user(user, after, limit)
        return MediaPage(media=[_state(one) for one in found], next_after=next_after)

    @router.get("/media/{media_id}")
    async def show_media(media_id: str) -> MediaState:
        """Show one medium: what follows the server in its `mxc://` URI."""
        return _state(await operator.query_media(media_id))

    @router.delete("/media/{media_id}")
    async def delete_media(media_id: str) -> DeletedMedia:
        """Delete one medium for good, and its bytes if no other has them."""
        await operator.perform_delete(media_id)
        _log.info("An operator has deleted media", extra={"media_id": media_id})
        return DeletedMedia(deleted=1)

    @router.post("/media/delete")
    async def delete_media_of_user(which: UsersMedia) -> DeletedMedia:
        """Delete all media of a user for good, or what was made before some time."""
        deleted = await operator.perform_delete_of_user(which.user, which.created_before_ms)
        _log.info(
            "An operator has deleted media of a user",
            extra={"user": which.user, "deleted": deleted},
        )
        return DeletedMedia(deleted=deleted)


def _add_quarantine(router: APIRouter, operator: MediaOperatorService) -> None:
    @router.get("/quarantined-media")
    async def list_quarantined(
        after: Annotated[str, Query(max_length=64, description="`next_after` of a page.")] = "",
        limit: _Limit = 100,
    ) -> QuarantinedPage:
        """List the hashes of bytes that nobody gets."""
        found, next_after = await operator.query_quarantined(after, limit)
        return QuarantinedPage(sha256=[one.hex() for one in found], next_after=next_after)

    @router.post("/media/quarantine")
    async def quarantine(which: WhichBytes) -> ChangedBytes:
        """Let nobody have these bytes, whichever media has them or will have them."""
        if which.media_id is not None:
            changed = await operator.perform_quarantine(media_id=which.media_id)
        elif which.user is not None:
            changed = await operator.perform_quarantine_of_user(which.user)
        else:
            changed = await operator.perform_quarantine_bytes(which.sha256 or "")
        _log.info("An operator has quarantined media", extra=which.model_dump(exclude_none=True))
        return ChangedBytes(changed=changed)

    @router.post("/media/lift-quarantine")
    async def lift_quarantine(which: WhichBytes) -> ChangedBytes:
        """Let those who may have these bytes have them again."""
        if which.media_id is not None:
            changed = await operator.perform_lift(media_id=which.media_id)
        elif which.user is not None:
            changed = await operator.perform_lift_of_user(which.user)
        else:
            changed = await operator.perform_lift_bytes(which.sha256 or "")
        _log.info("An operator has lifted quarantine", extra=which.model_dump(exclude_none=True))
        return ChangedBytes(changed=changed)


def _state(facts: MediaFacts) -> MediaState:
    return MediaState(
        media_id=facts.media_id,
        user_id=facts.user_id,
        content_type=facts.content_type,
        upload_name=facts.upload_name,
        created_at_ms=facts.created_at_ms,
        size=facts.size,
        sha256=None if facts.sha256 is None else facts.sha256.hex(),
        is_open=facts.is_open,
        is_quarantined=facts.is_quarantined,
    )
