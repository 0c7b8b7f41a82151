"""A real Weaviate server, or a cluster of three, on free loopback ports: started, frozen, killed and started again.

The binary is the one that ``TRANSVASE_TEST_WEAVIATE`` names, else ``weaviate`` on the PATH. Without either the tests that ask for
it are skipped, and say so; a variable that names nothing usable is a mistake, and fails.

Where all nodes share one address, the server takes the data port to be the gossip port plus one, and the port of its internal
calls to be the raft port plus one: ports are drawn in pairs.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from weaviate import WeaviateClient

VARIABLE: Final = "TRANSVASE_TEST_WEAVIATE"
ABSENT: Final = f"NOT TESTED on Weaviate: name a server's binary (1.32 or newer) in {VARIABLE}, or put `weaviate` on the PATH"

START_S: Final = 90.0
"""A cluster of three on two busy processors elects its leader within ten seconds; a loaded machine gets the rest."""

STOP_S: Final = 30.0
_DRAWN: Final = range(12_000, 30_000, 2)
"""Below the ports that the system gives to outgoing connections."""

_QUIET: Final[Mapping[str, str]] = {
    "API_BASED_MODULES_DISABLED": "true",
    "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
    "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
    "CLUSTER_BIND_ADDR": "127.0.0.1",
    "CLUSTER_IN_LOCALHOST": "true",
    "DEFAULT_VECTORIZER_MODULE": "none",
    "DISABLE_TELEMETRY": "true",
    "DISK_USE_READONLY_PERCENTAGE": "99",
    "DISK_USE_WARNING_PERCENTAGE": "99",
    "GO_PROFILING_DISABLE": "true",
    "LOG_LEVEL": "warning",
    "PROMETHEUS_MONITORING_ENABLED": "false",
    "RAFT_DRAIN_SLEEP": "200ms",
}


def binary() -> Path | None:
    """The server's binary, or None where there is none; fails where the variable names something else."""
    named = os.environ.get(VARIABLE)
    if named is None:
        found = shutil.which("weaviate")
        return None if found is None else Path(found)
    path = Path(named)
    if not path.is_file() or not os.access(path, os.X_OK):
        pytest.fail(f"{VARIABLE} is {named!r}, which is not a program", pytrace=False)
    return path


def needed() -> Path:
    """The binary; skips the test loudly without one."""
    found = binary()
    if found is None:
        pytest.skip(ABSENT)
    return found


@dataclass
class Node:
    """One server process, its ports and its files, which outlive the process until ``remove``."""

    program: Path
    name: str
    folder: Path
    rest: int
    grpc: int
    gossip: int
    raft: int
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As ``--store`` takes it."""
        return f"weaviate://127.0.0.1:{self.rest}?grpc={self.grpc}"

    @property
    def log(self) -> str:
        """What the server wrote."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def running(self) -> bool:
        """True while the process is there, frozen or not."""
        return self.process is not None and self.process.poll() is None

    def start(self, **settings: str) -> None:
        """Start the process with further environment variables, which it keeps for later starts; does not wait."""
        assert not self.running, f"{self.name} runs already"
        self.env.update(settings)
        self.folder.mkdir(parents=True, exist_ok=True)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("CLUSTER_", "RAFT_", "AUTH"))}
        command = [str(self.program), "--host", "127.0.0.1", "--port", str(self.rest), "--scheme", "http"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={**clean, **self._settings(), **self.env},
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_dies_with_us,  # noqa: PLW1509 - it makes one system call and takes no lock
            )

    def wait(self, seconds: float = START_S) -> None:
        """Return when the node answers that it is ready; fails with its log when it ends or takes longer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.running:
                break
            if self.ready():
                return
            time.sleep(0.1)
        what = f"was not ready within {seconds:.0f} s" if self.running else "ended while it started"
        pytest.fail(f"{self.name} {what}:\n{self.log[-4000:]}", pytrace=False)

    def ready(self) -> bool:
        """What the node says of itself."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/v1/.well-known/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """End in order: what was acknowledged is on disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the clock of the process: its connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def client(self) -> WeaviateClient:
        """A connected client of the application's own; the caller closes it."""
        import weaviate

        return weaviate.connect_to_local("127.0.0.1", port=self.rest, grpc_port=self.grpc)

    def remove(self) -> None:
        """End the process and remove its files."""
        if self.running:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _settings(self) -> dict[str, str]:
        return {
            **_QUIET,
            "CLUSTER_DATA_BIND_PORT": str(self.gossip + 1),
            "CLUSTER_GOSSIP_BIND_PORT": str(self.gossip),
            "CLUSTER_HOSTNAME": self.name,
            "GRPC_PORT": str(self.grpc),
            "PERSISTENCE_DATA_PATH": str(self.folder / "data"),
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "RAFT_INTERNAL_RPC_PORT": str(self.raft + 1),
            "RAFT_JOIN": f"{self.name}:{self.raft}",
            "RAFT_PORT": str(self.raft),
        }

    def _end(self, how: signal.Signals) -> None:
        process = self.process
        assert process is not None, f"{self.name} was never started"
        self._signal(how)
        self._signal(signal.SIGCONT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _signal(self, which: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(which)


def node(program: Path, *, folder: Path, name: str = "node-0") -> Node:
    """A node on free ports, not started."""
    rest, gossip, raft = _pairs(3)
    return Node(program, name, folder / name, rest=rest, grpc=rest + 1, gossip=gossip, raft=raft)


def cluster(program: Path, *, folder: Path, size: int = 3) -> list[Node]:
    """Nodes that know of each other, not started."""
    nodes = [node(program, folder=folder, name=f"node-{i}") for i in range(size)]
    together = {
        "RAFT_BOOTSTRAP_EXPECT": str(size),
        "RAFT_JOIN": ",".join(f"{one.name}:{one.raft}" for one in nodes),
        "REPLICATION_MINIMUM_FACTOR": "1",
    }
    for one in nodes:
        one.env.update(together)
        others = [f"127.0.0.1:{other.gossip}" for other in nodes if other is not one]
        one.env["CLUSTER_JOIN"] = ",".join(others)
    return nodes


@contextmanager
def running(nodes: Sequence[Node]) -> Iterator[Sequence[Node]]:
    """The nodes, started together and ready; their processes and files are gone afterwards."""
    try:
        for one in nodes:
            one.start()
        for one in nodes:
            one.wait()
        yield nodes
    finally:
        for one in nodes:
            one.remove()


@contextmanager
def place() -> Iterator[Path]:
    """A folder for nodes, removed afterwards."""
    made = Path(tempfile.mkdtemp(prefix="transvase-weaviate-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def one_node() -> Iterator[Node]:
    """A single server; skips without a binary."""
    program = needed()
    with place() as folder, running([node(program, folder=folder)]) as nodes:
        yield nodes[0]


@contextmanager
def three_nodes(settings: Mapping[str, str] | None = None) -> Iterator[Sequence[Node]]:
    """A cluster of three, with further environment variables; skips without a binary."""
    program = needed()
    with place() as folder:
        made = cluster(program, folder=folder)
        for one in made:
            one.env.update(settings or {})
        with running(made) as nodes:
            yield nodes


def _pairs(count: int) -> list[int]:
    """Even ports of which each and the next one are free now."""
    found: list[int] = []
    for port in random.sample(_DRAWN, len(_DRAWN)):
        if port not in _GIVEN and _free(port) and _free(port + 1):
            found.append(port)
            _GIVEN.add(port)
            if len(found) == count:
                return found
    pytest.fail("no free ports on the loopback address", pytrace=False)


_GIVEN: Final[set[int]] = set()
"""Drawn in this process: a node that is down keeps its ports."""


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _dies_with_us() -> None:
    """A server does not outlive the test process, however that ends (PR_SET_PDEATHSIG of prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
