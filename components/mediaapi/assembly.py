"""Puts the media server together."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from base.clock import Clock
from base.database import Database
from base.http import Router
from components.mediaapi.downloading import DownloadService
from components.mediaapi.files.interface import MediaFiles
from components.mediaapi.files.local import LocalFiles
from components.mediaapi.operating import MediaOperatorService
from components.mediaapi.remote import NoRemoteMedia, RemoteMedia
from components.mediaapi.removing import RemovedFiles
from components.mediaapi.routes.downloads import DownloadRoutes
from components.mediaapi.routes.previews import PreviewRoutes
from components.mediaapi.routes.thumbnails import ThumbnailRoutes
from components.mediaapi.routes.uploads import UploadRoutes
from components.mediaapi.settings import MediaApiSettings
from components.mediaapi.store.media import MediaStore
from components.mediaapi.store.operated import OperatedMediaStore
from components.mediaapi.store.previews import PreviewStore
from components.mediaapi.store.tables import SCHEMA
from components.mediaapi.sweeping import Sweeping
from components.mediaapi.thumbnails.service import ThumbnailService
from components.mediaapi.uploading import UploadService
from components.mediaapi.waiting import PendingWaits
from internalapi.userapi import Authentication
from matrix.identifiers import ServerName
from requesting.rates import RequestRates
from requesting.requesters import Requesters

if TYPE_CHECKING:
    from base.guarded.resolving import NameResolver
    from components.mediaapi.previews.service import PreviewService

__all__ = ["SCHEMA", "MediaServer", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaServer:
    """The parts of the media server: what answers, and what has to run."""

    router: Router
    sweeping: Sweeping
    files: MediaFiles
    thumbnails: ThumbnailService
    waits: PendingWaits
    previews: "PreviewService | None"
    """`None` where the settings have none; else it runs."""
    operator: MediaOperatorService
    """For the routes of operators (`routes.operators`)."""


def build(
    *,
    server_name: ServerName,
    database: Database,
    folder: Path,
    authentication: Authentication,
    clock: Clock,
    settings: MediaApiSettings,
    is_alone: bool,
    remote: RemoteMedia | None = None,
    resolver: "NameResolver | None" = None,
) -> MediaServer:
    """Return a media server over its database, opened with `SCHEMA`; nothing is started.

    `is_alone` says that no other process has the folder. Without `remote`, media of other servers
    is not found. Without `resolver`, the hosts of previews are found as the system finds them.
    """
    files = _files(folder, clock, settings)
    store = MediaStore(database, quota_bytes=settings.quota_bytes_per_user)
    removed = RemovedFiles(store, files)
    waits = PendingWaits()
    uploads = UploadService(store=store, files=files, waits=waits, clock=clock, settings=settings)
    downloads = DownloadService(
        server_name=server_name,
        store=store,
        files=files,
        remote=remote or NoRemoteMedia(),
        waits=waits,
        clock=clock,
        settings=settings,
    )
    router = Router()
    UploadRoutes(
        requesters=Requesters(
            authentication, RequestRates(clock, per_user=settings.upload_rate_per_user)
        ),
        uploads=uploads,
        server_name=server_name,
        settings=settings,
    ).add_to(router)
    thumbnails = ThumbnailService(downloads=downloads, settings=settings)
    rate = settings.download_rate_per_user
    downloaders = Requesters(authentication, RequestRates(clock, per_user=rate, per_network=rate))
    ThumbnailRoutes(requesters=downloaders, downloads=downloads, thumbnails=thumbnails).add_to(
        router
    )
    DownloadRoutes(
        requesters=downloaders,
        downloads=downloads,
        max_upload_bytes=settings.max_upload_bytes,
    ).add_to(router)
    kept_previews = PreviewStore(
        database,
        kept_max=settings.url_previews.kept_max,
        bytes_kept_max=settings.url_previews.image_bytes_kept_max,
    )
    previews = None
    if settings.url_previews.enabled:
        # The client's HTTP library costs memory that a server without previews does without.
        from components.mediaapi.previews.assembly import build_previews  # noqa: PLC0415

        previews = build_previews(
            server_name=server_name,
            store=kept_previews,
            files=files,
            removed=removed,
            clock=clock,
            settings=settings,
            resolver=resolver,
        )
    PreviewRoutes(
        requesters=Requesters(
            authentication, RequestRates(clock, per_user=settings.preview_rate_per_user)
        ),
        previews=previews,
    ).add_to(router)
    return MediaServer(
        router=router,
        sweeping=Sweeping(
            store=store,
            previews=kept_previews,
            files=files,
            removed=removed,
            clock=clock,
            settings=settings,
            is_alone=is_alone,
        ),
        files=files,
        thumbnails=thumbnails,
        waits=waits,
        previews=previews,
        operator=MediaOperatorService(
            server_name=server_name, store=OperatedMediaStore(database), removed=removed
        ),
    )


def _files(folder: Path, clock: Clock, settings: MediaApiSettings) -> MediaFiles:
    if settings.s3 is None:
        return LocalFiles(folder, clock, threads=settings.disk_threads)
    # obstore is optional, and takes memory.
    from components.mediaapi.files.bucket import BucketFiles  # noqa: PLC0415

    path = settings.s3.secret_access_key_path
    secret = Path(path).read_text(encoding="ascii").strip() if path else ""
    return BucketFiles(
        settings.s3,
        clock,
        secret_access_key=secret or settings.s3.secret_access_key,
        folder=folder,
        threads=settings.disk_threads,
    )
