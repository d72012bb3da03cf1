"""The log on a Kafka that wants TLS and a login, through the settings that an operator has."""

import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from localcluster.kafka import KafkaBroker
from localcluster.programs import ProgramMissing
from logs.kafka.log import KafkaLog
from logs.kafka.settings import KafkaLogSettings
from logs.kafka.topics import describe_topics
from logs.log import LogOutage
from tests.contract.logs.under_test import NUMBERS, Owner, numbered, read_from, take, value_of
from tests.fixtures.servers import find_program, free_port, missing

pytestmark = pytest.mark.kafka

_LISTENER = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller}},\
SASL_SSL://localhost:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_SSL://localhost:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
sasl.enabled.mechanisms=SCRAM-SHA-256,PLAIN
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_xylem="12345";
"""


class SecureBroker(NamedTuple):
    """A broker with a listener for TLS and logins."""

    address: str
    ca_file: str

    def settings(self, **changed: Any) -> KafkaLogSettings:
        """Return the settings to reach it as the user xylem."""
        settings = KafkaLogSettings(
            bootstrap_servers=[self.address],
            partitions=1,
            append_timeout_s=5,
            security_protocol="SASL_SSL",
            ca_file=self.ca_file,
            sasl_mechanism="SCRAM-SHA-256",
            sasl_username="xylem",
            sasl_password="12345",
        )
        return msgspec.structs.replace(settings, **changed)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    folder = tmp_path_factory.mktemp("secure-kafka")
    certificate, key = folder / "ca.pem", folder / "key.pem"
    make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [find_program("openssl"), *make, *names, "-out", certificate, "-keyout", key],
        check=True,
        capture_output=True,
    )
    (folder / "broker.pem").write_text(key.read_text() + certificate.read_text())
    port = free_port()
    try:
        broker = KafkaBroker(
            folder,
            more_properties=_LISTENER.format(secure=port, folder=folder),
            format_options=["--add-scram", "SCRAM-SHA-256=[name=xylem,password=12345]"],
        )
    except ProgramMissing as absent:
        missing(str(absent))
    broker.start()
    yield SecureBroker(f"localhost:{port}", str(certificate))
    broker.program.kill()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN"])
async def test_with_tls_and_a_login_topics_are_made_written_and_read(
    secure: SecureBroker, mechanism: str
) -> None:
    settings = secure.settings(sasl_mechanism=mechanism, topic_prefix=f"{mechanism}.")
    log = await KafkaLog.connect(settings)
    await log.ensure_topics([NUMBERS])
    await log.append("Numbers", numbered(1, 2))

    tail = await log.tail("Numbers", {0: 0})
    member = await log.subscribe("Numbers", "readers", Owner())
    read = await take(tail, 2), await read_from(member, 2)
    topics = await describe_topics(settings, ["Numbers"])
    await member.close()
    await tail.close()
    await log.close()

    assert [[value_of(record) for record in records] for records in read] == [[1, 2]] * 2
    assert topics["Numbers"].partitions == 1


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN"])
async def test_a_wrong_password_is_named_as_the_reason(
    secure: SecureBroker, mechanism: str
) -> None:
    settings = secure.settings(sasl_mechanism=mechanism, sasl_password="54321")

    for attempt in (KafkaLog.connect(settings), describe_topics(settings, ["Numbers"])):
        with pytest.raises(LogOutage, match=r"(?i)authentication failed") as refused:
            await attempt
        assert "54321" not in str(refused.value)


async def test_a_certificate_that_is_not_believed_is_named_as_the_reason(
    secure: SecureBroker,
) -> None:
    with pytest.raises(LogOutage, match="certificate verify failed"):
        await KafkaLog.connect(secure.settings(ca_file=None))
