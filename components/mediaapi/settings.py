"""What can be set of the media server."""

from typing import Annotated

import msgspec
from msgspec import Meta

from base.limits import Rate

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class BucketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket for the files, in a store that speaks the API of Amazon S3.

    It needs the package of the extra `s3`. Uploads that are on their way are in the folder `media`
    of `data_dir` until the bucket has them.
    """

    bucket: Annotated[str, Meta(min_length=1)]
    """Name of the bucket, which has to be there."""
    endpoint: str = ""
    """URL of the store, such as `https://minio.example.org:9000`. Empty: Amazon's in the region."""
    region: str = "us-east-1"
    """Region of the bucket; stores that have none take the default."""
    prefix: str = ""
    """What the names of all objects begin with, where others are in the bucket, too."""
    access_key_id: str = ""
    """The access key. Empty: what the environment has (`AWS_ACCESS_KEY_ID` and the like), or the
    role of the machine or the pod."""
    secret_access_key: str = ""
    """The secret of the access key."""
    secret_access_key_path: str = ""
    """File that holds the secret, instead of `secret_access_key`."""
    is_bucket_in_host: bool = False
    """Whether requests name the bucket in the host (`bucket.example.org`) and not in the path."""
    connect_timeout_s: Seconds = 5.0
    """Seconds in which the store has to take a connection."""
    timeout_s: Seconds = 60.0
    """Seconds for one request of at most 8 MiB, and for its repetitions."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
        has_secret = bool(self.secret_access_key or self.secret_access_key_path)
        if has_secret != bool(self.access_key_id):
            raise ValueError("access_key_id and its secret are set together, or neither")
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise ValueError("endpoint is an http or https URL")


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
    s3: BucketSettings | None = None
    """A bucket that has the files instead of the folder `media`. Files are not moved."""
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
