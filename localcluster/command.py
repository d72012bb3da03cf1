"""`xylem cluster`: a whole cluster on this machine, to try things out; its data are thrown away."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy.catalogue import CATALOGUE
from deploy.errors import StartRefused
from localcluster.cluster import LocalCluster

_LOOK_AGAIN_S: Final = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--replicas",
        metavar="COMPONENT=N,…",
        default="",
        help=f"how many processes of each, such as clientapi=2,roomserver=2; one if left out "
        f"({', '.join(CATALOGUE.names)})",
    )
    parser.add_argument("--port", type=int, default=8008, help="where clients reach it (8008)")
    parser.add_argument(
        "--balancer",
        choices=("nginx", "own"),
        help="what stands before the replicas: nginx, or a small proxy that needs nothing "
        "installed; nginx where it is installed",
    )
    parser.add_argument("--partitions", type=int, default=4, help="of each topic (4)")
    parser.add_argument(
        "--folder", type=Path, help="new folder for data and logs, which is kept afterwards"
    )


def run(arguments: argparse.Namespace) -> int:
    """Start everything, show where it is, and stop it on SIGINT or SIGTERM."""
    replicas = _replicas(arguments.replicas)
    kept: Path | None = arguments.folder
    # PostgreSQL, which does not run as root, has to be able to enter it.
    folder = kept.resolve() if kept else Path(tempfile.mkdtemp(prefix="xylem-cluster-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    signals = {signal.SIGINT, signal.SIGTERM}
    cluster = LocalCluster(
        folder,
        replicas,
        port=arguments.port,
        partitions=arguments.partitions,
        balancer=arguments.balancer,
    )
    print("Starting Kafka, PostgreSQL and the components …", flush=True)
    try:
        cluster.start()
        print(_table(cluster), flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        while signal.sigtimedwait(signals, _LOOK_AGAIN_S) is None:
            _require_running(cluster)
        print("Stopping …", flush=True)
    finally:
        cluster.stop()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _replicas(text: str) -> dict[str, int]:
    counts = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if name not in CATALOGUE.names or not number.isdecimal():
            raise StartRefused(
                f"'{part}' is not a component and a number.",
                f"Write it like clientapi=2,roomserver=2; there are {', '.join(CATALOGUE.names)}.",
            )
        counts[name] = int(number)
    return counts


def _table(cluster: LocalCluster) -> str:
    lines = [f"{'process':<14}{'PID':>8}  {'clients':>7}  {'internal':>8}  {'health':>6}"]
    for program in cluster.programs():
        process = cluster.processes.get(program.name)
        ports = ("", "", "") if process is None else tuple(map(str, process.ports))
        lines.append(
            f"{program.name:<14}{program.pid:>8}  {ports[0]:>7}  {ports[1]:>8}  {ports[2]:>6}"
        )
    folder = cluster.config_path.parent
    return (
        "\n".join(lines)
        + f"\n\nClients reach the cluster at {cluster.url}; registration is open."
        + f"\nLogs are in {folder}; see also: xylem status --config {cluster.config_path}"
        + "\nStop it with Ctrl-C."
    )


def _require_running(cluster: LocalCluster) -> None:
    for program in cluster.programs():
        if program.exit_code is not None:
            shown = program.output.read_text(errors="replace")[-2000:]
            sys.stderr.write(shown)
            raise StartRefused(f"{program.name} has ended with code {program.exit_code}.")
