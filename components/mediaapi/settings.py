"""What can be set of the media server."""

from typing import Annotated

import msgspec
from msgspec import Meta

from base.limits import Rate

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class MediaApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much users may upload, and who may download it."""

    max_upload_bytes: Count = 50 * 1024 * 1024
    """Bytes of the largest upload; clients are told. Proxies in front must let as much through."""
    quota_bytes_per_user: Annotated[int, Meta(ge=0)] | None = 10 * 1024**3
    """Bytes of all uploads of a user together; further ones are refused. `None` for no limit."""
    uploads_at_once: Count = 100
    """Uploads that a process takes at once; further ones are asked to come back. Each holds up to
    half a megabyte of memory."""
    uploads_at_once_per_user: Count = 10
    """Uploads of one user that a process takes at once."""
    upload_timeout_s: Seconds = 3600.0
    """Seconds that an upload may take."""
    pending_lifetime_s: Seconds = 86_400.0
    """Seconds in which media that was created without content has to be uploaded."""
    pending_per_user: Count = 100
    """Media of one user that wait to be uploaded; further ones are refused."""
    wait_max_s: Annotated[float, Meta(ge=0)] = 60.0
    """Seconds for which a download waits, at most, for media that is not uploaded yet."""
    open_downloads: bool = False
    """Whether media that is uploaded from now on can be downloaded without an access token, by the
    endpoints that Matrix 1.11 deprecates. What was uploaded while it was true stays so."""
    disk_threads: Count = 4
    """Threads that read and write files."""
    thumbnail_edges: Annotated[tuple[Count, ...], Meta(min_length=1)] = (
        32,
        96,
        320,
        640,
        800,
        1600,
    )
    """Longer edges of thumbnails, in pixels, in their order: what clients ask for is rounded up."""
    thumbnail_threads: Count = 2
    """Threads that make thumbnails. Each needs up to 4 bytes for each pixel of the picture, and a
    few times as much for a moment."""
    thumbnails_waiting_max: Count = 100
    """Thumbnails that are made, or wait to be; further ones are asked to come back."""
    thumbnail_pixels_max: Count = 32 * 1024 * 1024
    """Pixels of the largest picture of which there are thumbnails."""
    thumbnail_source_bytes_max: Count = 50 * 1024 * 1024
    """Bytes of the largest picture of which there are thumbnails."""
    thumbnail_cache_bytes: Annotated[int, Meta(ge=0)] = 32 * 1024 * 1024
    """Bytes of the thumbnails that stay in memory."""
    upload_rate_per_user: Rate | None = Rate(per_second=2, burst=100)
    """Uploads, and media created to be uploaded later, of one user; `None` for no limit, as for the
    other rates."""
    download_rate_per_user: Rate | None = Rate(per_second=100, burst=1000)
    """Downloads of one user, or without a token of one network address."""
