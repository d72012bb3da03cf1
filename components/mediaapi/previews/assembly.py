"""Puts URL previews together."""

from base.clock import Clock
from base.guarded.addresses import AddressRules
from base.guarded.client import GuardedClient, GuardedLimits, UrlRules
from base.guarded.resolving import NameResolver, SystemResolver
from components.mediaapi.files.interface import MediaFiles
from components.mediaapi.previews.making import PreviewMaking
from components.mediaapi.previews.patterns import UrlPatterns
from components.mediaapi.previews.service import PreviewService
from components.mediaapi.removing import RemovedFiles
from components.mediaapi.settings import MediaApiSettings
from components.mediaapi.store.previews import PreviewStore
from matrix.identifiers import ServerName


def build_previews(
    *,
    server_name: ServerName,
    store: PreviewStore,
    files: MediaFiles,
    removed: RemovedFiles,
    clock: Clock,
    settings: MediaApiSettings,
    resolver: NameResolver | None,
) -> PreviewService:
    """Return what gives previews."""
    chosen = settings.url_previews
    client = GuardedClient(
        resolver=resolver or SystemResolver(),
        addresses=AddressRules(chosen.denied_networks, chosen.allowed_networks),
        urls=UrlRules(
            ports=None if chosen.ports is None else frozenset(chosen.ports),
            is_refused=UrlPatterns(chosen.never).match,
        ),
        limits=GuardedLimits(
            timeout_s=chosen.timeout_s,
            redirects=chosen.redirects_max,
            at_once=chosen.fetched_at_once,
            at_once_per_host=chosen.fetched_at_once_per_host,
            waiting=chosen.waiting_max,
        ),
        user_agent=chosen.user_agent,
    )
    return PreviewService(
        server_name=server_name,
        making=PreviewMaking(client, chosen, pixels_max=settings.thumbnail_pixels_max),
        store=store,
        files=files,
        removed=removed,
        clock=clock,
        settings=chosen,
    )
