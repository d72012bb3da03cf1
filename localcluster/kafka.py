"""A real Kafka broker on this machine, its libraries fetched once by Maven."""

import fcntl
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from localcluster.programs import Program, ProgramFailed, find_program, free_port, is_listening

KAFKA_VERSION: Final = "4.1.0"

_POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
num.network.threads=2
num.io.threads=2
num.partitions=1
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""
_CLUSTER_ID: Final = "xylemlocalxylemlocalxA"


class KafkaBroker:
    """A broker whose data are in a folder."""

    def __init__(
        self, folder: Path, *, more_properties: str = "", format_options: Sequence[str] = ()
    ) -> None:
        """Prepare a broker in an empty folder; raises `ProgramMissing`.

        `more_properties` are lines of the broker's settings, which win over those that it has from
        here and may contain {port}, {controller} and {folder}; `format_options` are for Kafka's
        tool that makes its data folder.
        """
        java = find_program("java")
        self._folder = folder
        self._properties = folder / "server.properties"
        self._more_properties = more_properties
        self._format_options = format_options
        self._port = free_port()
        self._java = [
            java,
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            f"{_libraries()}/*",
        ]
        self.program: Final = Program(
            "kafka", [*self._java, "kafka.Kafka", str(self._properties)], folder
        )

    @property
    def address(self) -> str:
        """Where it is reached: `host:port`."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, with the data of its last run if there was one; raises `ProgramFailed`."""
        if not self._properties.exists():
            self._properties.write_text(
                (_PROPERTIES + self._more_properties).format(
                    port=self._port, controller=free_port(), folder=self._folder
                )
            )
            subprocess.run(
                [
                    *self._java,
                    "kafka.tools.StorageTool",
                    "format",
                    "-t",
                    _CLUSTER_ID,
                    "-c",
                    self._properties,
                    *self._format_options,
                ],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self.program.start()
        self.program.wait_until(lambda: is_listening(self._port))


def _libraries() -> Path:
    """Return the folder with Kafka's jars, fetched once and shared by all processes."""
    cache = Path(os.environ.get("XYLEM_TEST_CACHE", Path.home() / ".cache" / "xylem-tests"))
    folder = cache / f"kafka-{KAFKA_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            maven = find_program("mvn")
            (folder / "pom.xml").write_text(_POM)
            goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
            fetched = subprocess.run(
                [maven, "-q", "-B", *goal, f"-DoutputDirectory={folder / 'libs'}"],
                cwd=folder,
                check=False,
                capture_output=True,
                text=True,
            )
            if fetched.returncode != 0:
                raise ProgramFailed(f"Kafka could not be fetched:\n{fetched.stdout[-3000:]}")
            (folder / "complete").touch()
    return folder / "libs"
