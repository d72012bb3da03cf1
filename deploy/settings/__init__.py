"""The settings of a server, one frozen section per subject and component.

`deploy.settings.loading` loads them. Every field has its unit in its name or in its docstring; the
docstrings are the reference: the generated configuration file and docs/configuration.md are made
from them.
"""

from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar

import msgspec
from msgspec import Meta

from deploy.catalogue import CATALOGUE
from logs.embedded.settings import EmbeddedLogSettings
from logs.kafka.settings import KafkaLogSettings
from logs.retention import Retentions
from matrix.room_versions import DEFAULT_ROOM_VERSION

S = TypeVar("S", bound=msgspec.Struct)
Api = Literal["client", "internal", "metrics", "health", "operators"]
Urls = str | tuple[str, ...]
Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
Hours = Annotated[float, Meta(gt=0)]
Bytes = Annotated[int, Meta(ge=1)]


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A listener's certificate, where no reverse proxy in front of the server has it."""

    certificate_path: str
    """PEM file with the certificate and its chain."""
    key_path: str
    """PEM file with the certificate's private key."""


class ListenerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An address and port, and what is served there."""

    address: str = "127.0.0.1"
    """IP address or host name to listen on; `0.0.0.0` or `::` for all interfaces."""
    port: Port = 8008
    """TCP port; 0 takes a free one, which the start-up log names."""
    apis: Annotated[tuple[Api, ...], Meta(min_length=1)] = ("client", "health")
    """What is served here: any of `client`, `metrics` (for Prometheus, under /metrics), `health`
    (for probes: /health/live, /health/ready), `operators` (for the operators' programs, under
    /_xylem/v1, see `operators`), and `internal` (for other components, see `internal`). The last
    two never together with `client`."""
    tls: TlsSettings | None = None
    """Certificate and key; without it the listener speaks plain HTTP."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of the reverse proxies whose X-Forwarded-For is believed."""
    max_connections: Count = 16_000
    """Connections held open at once; further ones are closed. Fewer where the process may not have
    so many files open: each listener has its share of what it may."""
    keep_alive_s: Count = 75
    """Seconds that an idle connection stays open."""


class ComponentUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Where components in other processes are called.

    One base URL such as `http://10.0.0.5:8009`, or a list with one for each replica, which are
    called in turn. A name that stands for several replicas, as of a service in Kubernetes, is one
    URL. The URL of the EDU server, which no component calls, is for `xylem status`.
    """


if TYPE_CHECKING:

    class InternalUrls(ComponentUrls, frozen=True, kw_only=True):
        """A field for each component of the catalogue, by its name."""

else:
    InternalUrls = msgspec.defstruct(
        "InternalUrls",
        [(one.name, Annotated[Urls, Meta(description=one.url_help)], ()) for one in CATALOGUE],
        bases=(ComponentUrls,),
        namespace={"__doc__": ComponentUrls.__doc__},
        module=__name__,
        frozen=True,
        kw_only=True,
    )


class InternalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How components in different processes (`xylem run`) call each other.

    They do so over HTTP, at listeners with `apis: [internal]`, and with a secret that they share.
    """

    secret: str = ""
    """The shared secret, at least 16 characters. A caller that knows it can do everything that
    a component can."""
    secret_path: str = ""
    """File that holds the secret, instead of `secret`."""
    urls: InternalUrls = msgspec.field(default_factory=InternalUrls)
    ca_path: str = ""
    """PEM file with the certificates that are believed behind `https` URLs. Empty: the system's."""
    timeout_s: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds until a call that is not answered fails."""
    attempt_timeout_s: Annotated[float, Meta(gt=0)] = 2.0
    """Seconds until a query that one replica does not answer is asked of another. A replica that
    was silent for this long, or for a quarter of it when the caller gave up, is asked last for a
    while."""
    connect_timeout_s: Annotated[float, Meta(gt=0)] = 2.0
    """Seconds until a replica that cannot be connected to is passed over."""
    max_connections: Count = 200
    """Calls of this process that are under way at once; further ones wait."""


class OperatorsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operators' own programs call, at a listener with `apis: [operators]`.

    Nothing is served of it unless a listener says so.
    """

    token: str = ""
    """The bearer token that they send, at least 16 characters. A caller that knows it may do with
    every account what `xylem account` does."""
    token_path: str = ""
    """File that holds the token, instead of `token`."""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How requests are received."""

    max_body_bytes: Annotated[int, Meta(ge=65536)] = 1024 * 1024
    """Bytes of the longest body of a request; of media it is `mediaapi.max_upload_bytes`."""
    body_timeout_s: Annotated[float, Meta(gt=0)] = 60.0
    """Seconds that a body may take to arrive."""
    answer_timeout_s: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds that a client may take nothing of an answer that waits for it; then it is cut off."""
    max_unsent_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 256 * 1024 * 1024
    """Bytes of all answers that clients have yet to take. Over it, the connection that holds most
    of them is cut off."""
    shutdown_s: Annotated[int, Meta(ge=0)] = 10
    """Seconds that requests under way get to finish when the server is told to stop."""


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The append-only log that everything is written to first."""

    kafka: KafkaLogSettings | None = None
    """Kafka as the log; without it, the log is embedded: files in `data_dir`. Changing from one to
    the other begins a new log: `xylem rebind` binds the databases to it."""
    embedded: EmbeddedLogSettings = msgspec.field(default_factory=EmbeddedLogSettings)
    trim_interval_s: Annotated[float, Meta(ge=1)] = 60.0
    """Seconds between two looks at what the embedded log may drop: what all readers have made
    durable, and what is older than its topic keeps records."""
    retention_h: dict[str, Hours] = msgspec.field(default_factory=dict)
    """Hours for which topics keep records at least, as `{OutputRoomEvent: 72}`. Topics that are not
    named keep them as WIRING.md says: inputs for 24 h, outputs for 168 h, typing for 1 h, Rejected
    for 672 h. Change it to keep less on a small disk, or to have redacted text gone sooner; on
    Kafka it holds for topics that are created, and `xylem topics` says what to change of others."""
    retention_bytes: dict[str, Bytes] = msgspec.field(default_factory=dict)
    """Bytes that topics keep at most, as `{OutputRoomEvent: 2000000000}`: over it the oldest
    records go, however young they are. The embedded log counts whole files, and keeps in spite of
    it what a consumer has not made durable (`xylem_log_over_size_bytes`). Kafka counts for each
    partition, and drops what nobody has read, too."""

    @property
    def retentions(self) -> Retentions:
        """How long each topic keeps records."""
        return Retentions(self.retention_h, self.retention_bytes)


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where components keep their tables."""

    url: str = ""
    """`sqlite:///folder` (a file per component), or `postgresql://user:password@host/database` (a
    schema per component). Empty: the folder `databases` in `data_dir`."""
    migrate_at_start: bool = True
    """Whether a server makes or migrates its tables when it starts. Without it, a server refuses
    an older schema, and `xylem migrate` is run first."""
    erase_interval_s: int = 3600
    """How often what was deleted or redacted is overwritten in SQLite's files, where it may lie
    for so long. PostgreSQL overwrites by VACUUM."""


class LoggingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the server tells about itself on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written."""
    format: Literal["console", "json"] = "console"
    """`console` for people, `json` for programs: one object per line."""


class TracesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Traces of requests, for a collector that speaks OpenTelemetry's OTLP over HTTP.

    Headers for the collector come from the environment, as OpenTelemetry says:
    `OTEL_EXPORTER_OTLP_HEADERS`.
    """

    endpoint: str
    """URL that takes spans, such as `http://localhost:4318/v1/traces`."""
    sample_ratio: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of all requests that is traced, from 0 to 1. Set the same in every process, so that all
    keep the same requests."""
    service_name: str = ""
    """What the process is called. Empty: `xylem`, or `xylem-roomserver` and the like where it runs
    one component."""
    continue_traces: bool = False
    """Whether a request with a `traceparent` header (W3C Trace Context) goes on with that trace:
    for servers whose proxy sets or removes that header, because its sender decides what is kept."""


class ObservingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the server shows of itself to probes, and of each request."""

    max_lag_records: Count = 10_000
    """Records that a component may be behind before /health/ready answers 503. After a start it
    has to catch up first, however far it is behind."""
    min_free_bytes: Annotated[int, Meta(ge=0)] = 100 * 1024 * 1024
    """Bytes that the disks of the embedded log and of SQLite must have free, or /health/ready
    answers 503 and says so, before writes fail. 0 to notice only when nothing is free."""
    access_log: bool = False
    """Whether each answer is written to the log: request ID, method, route, status, milliseconds.
    Never the path itself, which holds identifiers."""
    traces: TracesSettings | None = None
    """Where traces are sent; without it there are none."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What concerns the server as a whole."""

    server_name: str = "localhost"
    """The domain in user IDs: `@alice:server_name`. It cannot be changed later."""
    data_dir: str = "./data"
    """Folder for everything that is kept. Relative paths start at the working directory."""
    signing_key_path: str = ""
    """File with the server's signing key. Empty: `signing.key` in `data_dir`."""
    default_room_version: str = DEFAULT_ROOM_VERSION
    """Room version of new rooms whose creator asks for none."""
    listeners: Annotated[tuple[ListenerSettings, ...], Meta(min_length=1)] = (ListenerSettings(),)
    """Where the server listens, and for what."""
    internal: InternalSettings = msgspec.field(default_factory=InternalSettings)
    operators: OperatorsSettings = msgspec.field(default_factory=OperatorsSettings)
    http: HttpSettings = msgspec.field(default_factory=HttpSettings)
    log: LogSettings = msgspec.field(default_factory=LogSettings)
    database: DatabaseSettings = msgspec.field(default_factory=DatabaseSettings)
    logging: LoggingSettings = msgspec.field(default_factory=LoggingSettings)
    observing: ObservingSettings = msgspec.field(default_factory=ObservingSettings)

    def section(self, kind: type[S]) -> S:
        """Return a component's section, by its type."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is kind:
                found: S = value
                return found
        raise LookupError(f"{kind.__name__} is the section of no component in the catalogue.")

    def with_section(self, section: msgspec.Struct) -> Self:
        """Return these settings with another section of a component."""
        (name,) = [one.name for one in CATALOGUE if one.settings is type(section)]
        return msgspec.structs.replace(self, **{name: section})


if TYPE_CHECKING:

    class Settings(ServerSettings, frozen=True, kw_only=True):
        """Those of the whole server, and a section for each component of the catalogue."""

else:
    Settings = msgspec.defstruct(
        "Settings",
        [
            (one.name, one.settings, msgspec.field(default_factory=one.settings))
            for one in CATALOGUE
        ],
        bases=(ServerSettings,),
        namespace={"__doc__": ServerSettings.__doc__},
        module=__name__,
        frozen=True,
        kw_only=True,
    )
