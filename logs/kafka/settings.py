"""How to reach Kafka, and what is asked of its topics."""

import ssl
from typing import Any, Literal

import msgspec


class KafkaLogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a log on Kafka."""

    bootstrap_servers: list[str]
    """`host:port` of some brokers; the rest are learned from them."""
    topic_prefix: str = ""
    """Put before the names of topics and groups, so that several servers can share a cluster."""
    epoch: str = ""
    """Part of the log's generation. Change it after topics were deleted and made again by hand,
    and run `xylem rebind`: offsets begin again then, and sync tokens and consumers' positions must
    not be reused."""
    partitions: int = 16
    """Partitions of a topic that is created; existing topics keep theirs."""
    replication_factor: int = -1
    """Copies of a topic that is created; -1 is the cluster's default. Kafka acknowledges from
    memory, so that durability needs copies: 3, with `min_insync_replicas` 2, in production."""
    min_insync_replicas: int | None = None
    """How many copies must have a record before it counts; `None` is the cluster's default."""
    max_record_bytes: int = 900_000
    """Bytes of one record's key and value; must fit the brokers' `message.max.bytes`."""
    max_queued_bytes: int = 32 * 1024 * 1024
    """Bytes that may wait for the brokers; over it, appends wait their turn."""
    append_timeout_s: float = 10.0
    """Seconds after which an append that no broker confirmed is reported as an outage."""
    linger_ms: int = 0
    """Milliseconds that the producer waits for more records before it sends."""
    compression: Literal["none", "gzip"] = "none"
    """How batches are compressed."""
    session_timeout_s: float = 10.0
    """Seconds after which the partitions of a member that is not heard of go to others."""
    heartbeat_s: float = 1.0
    """Seconds between signs of life; a hand-over begins at most this long after a member joins."""
    instance_id: str = ""
    """A name of this process that survives its restart (static membership): a restart within the
    session timeout moves no partitions. Empty: partitions move at once."""
    commit_interval_s: float = 5.0
    """Seconds between notes of the positions to Kafka, which serve lag displays only."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How connections are made."""
    ca_file: str | None = None
    """File with the certificates that brokers are checked against; `None` is the system's."""
    certificate_file: str | None = None
    """File with this client's certificate, where brokers ask for one."""
    key_file: str | None = None
    """File with the certificate's private key."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How the client logs in, with a `SASL_` protocol."""
    sasl_username: str | None = None
    """The user to log in as."""
    sasl_password: str | None = None
    """Its password."""

    def connection(self) -> dict[str, Any]:
        """Return the arguments that every client of aiokafka takes."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": "xylem",
            "request_timeout_ms": int(self.append_timeout_s * 1000),
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file)
            arguments["ssl_context"] = context
        if self.security_protocol.startswith("SASL"):
            arguments["sasl_mechanism"] = self.sasl_mechanism
            arguments["sasl_plain_username"] = self.sasl_username
            arguments["sasl_plain_password"] = self.sasl_password
        return arguments
