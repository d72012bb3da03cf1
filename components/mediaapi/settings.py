"""What can be set of the media server."""

from typing import Annotated

import msgspec
from msgspec import Meta

from base.guarded.addresses import DENIED_NETWORKS, AddressRules
from base.limits import Rate

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Line = Annotated[str, Meta(pattern="^[ -~]*$", max_length=500)]
Pattern = Annotated[str, Meta(min_length=1, max_length=1000)]


class UrlPreviewSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the server fetches of pages that users link to, so that clients can show it."""

    enabled: bool = False
    """Whether the server fetches pages that its users name. They learn what the server can reach:
    see `denied_networks`, and deny in a firewall what it must never reach."""
    denied_networks: tuple[str, ...] = DENIED_NETWORKS
    """Networks that are never asked, whatever name leads there. By default all addresses that are
    no hosts of the internet."""
    allowed_networks: tuple[str, ...] = ()
    """Networks that are asked although they are in a denied one."""
    ports: tuple[Port, ...] | None = None
    """Ports that are asked; `None` for all."""
    never: tuple[Pattern, ...] = ()
    """URLs that are never fetched, with `*` for any characters: `https://example.com/private/*`.
    What has no slash is compared with the host: `*.example.com`."""
    accept_language: Line = "en, *;q=0.5"
    """The languages that pages are asked for, as in the Accept-Language header. It is the same for
    all users, so that pages do not learn who asks."""
    user_agent: Line = "Xylem (bot)"
    """What the server calls itself to pages."""
    timeout_s: Seconds = 10.0
    """Seconds that each request may take: for the page, for what describes it, for its picture."""
    redirects_max: Annotated[int, Meta(ge=0)] = 5
    """Redirects that a request follows."""
    fetched_at_once: Count = 8
    """Previews that a process makes at once. Each holds a page or a picture in memory."""
    fetched_at_once_per_host: Count = 4
    """Previews of one host that a process makes at once."""
    waiting_max: Count = 100
    """Previews that wait to be made; further ones are asked to come back."""
    threads: Count = 1
    """Threads that read pages and pictures."""
    page_bytes_max: Count = 1024 * 1024
    """Bytes of a page that are read, from its start."""
    image_bytes_max: Count = 10 * 1024 * 1024
    """Bytes of the largest picture that is shown."""
    lifetime_s: Seconds = 21_600.0
    """Seconds for which a preview is answered again. Its picture is kept an hour longer."""
    failure_lifetime_s: Seconds = 60.0
    """Seconds for which a page that could not be fetched is not asked again."""
    kept_max: Count = 50_000
    """Previews that are kept; the oldest go first."""
    image_bytes_kept_max: Count = 1024**3
    """Bytes of all pictures of previews that are kept; the oldest go first."""

    def __post_init__(self) -> None:
        """Refuse what is no network."""
        AddressRules(self.denied_networks, self.allowed_networks)


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
    preview_rate_per_user: Rate | None = Rate(per_second=0.5, burst=60)
    """Previews of URLs that one user asks for."""
    url_previews: UrlPreviewSettings = UrlPreviewSettings()
    """What the server fetches of pages that users link to, so that clients can show it."""
