"""Remote execution for Bazel: BuildGrid with its queue in PostgreSQL, and a worker of buildbox."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import runfile

__all__ = ["Engine", "remote_execution"]

_CONFIGURATION = """
server:
  - !channel {{address: "127.0.0.1:{port}", insecure-mode: true}}
authorization: {{method: none}}
monitoring: {{enabled: false}}
connections:
  - !sql-connection &sql {{connection-string: "{database}"}}
storages:
  - !disk-storage &storage {{path: "{directory}/cas"}}
caches:
  - !lru-action-cache &cache
    storage: *storage
    max-cached-refs: 10000
    allow-updates: true
schedulers:
  - !sql-scheduler &scheduler
    sql: *sql
    storage: *storage
    action-cache: *cache
    assigners: [!priority-age-assigner {{count: 1, interval: 0.05}}]
instances:
  - name: ""
    services:
      - !action-cache {{cache: *cache}}
      - !execution {{scheduler: *scheduler}}
      - !cas {{storage: *storage}}
      - !bytestream {{storage: *storage}}
thread-pool-size: 100
"""


@dataclass(frozen=True)
class Engine:
    """A running engine, whose cache is empty when it starts.

    Attributes:
        address: `grpc://host:port`, of execution and cache.
    """

    address: str


@contextlib.contextmanager
def remote_execution() -> Iterator[Engine]:
    """Runs an engine with one worker on this machine; all it writes is gone afterwards."""
    programs.need("buildbox-casd", "buildbox-worker", "buildbox-run-hosttools")
    # A short path: a UNIX socket's name has at most 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="lading-engine-", dir="/var/tmp"))
    try:
        with contextlib.ExitStack() as stack:
            database = stack.enter_context(_postgresql(directory))
            port = stack.enter_context(_buildgrid(directory, database))
            stack.enter_context(_worker(directory, port))
            yield Engine(f"grpc://127.0.0.1:{port}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _postgresql(directory: Path) -> Iterator[str]:
    """Runs a database that only a socket in `directory` leads to; yields its URL."""
    programs.need("initdb", "postgres", "unshare")
    # It refuses to run as root. In a namespace where root has another name, it is none.
    other = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
    prefix = other if os.geteuid() == 0 else []
    data = directory / "postgresql"
    options = ["--auth=trust", "--username=bgd", "--no-sync", "--no-locale", "--encoding=UTF8"]
    programs.run([*prefix, "initdb", f"--pgdata={data}", *options])
    settings = ["-c", "listen_addresses=", "-c", "fsync=off"]
    command = [*prefix, "postgres", "-D", str(data), "-k", str(directory), *settings]
    log = directory / "postgresql.log"
    with servers.start(command, log) as process:
        socket_file = directory / ".s.PGSQL.5432"
        servers.wait_until(
            lambda: servers.alive(process, log) and socket_file.exists(),
            what="a socket of postgres",
        )
        yield f"postgresql+psycopg://bgd@/postgres?host={directory}"


@contextlib.contextmanager
def _buildgrid(directory: Path, database: str) -> Iterator[int]:
    """Runs the scheduler and the cache; yields their port."""
    bgd = str(runfile("tests/integration/remote/bgd"))
    programs.run([bgd, "migrate", "apply", database])
    port = servers.free_port()
    configuration = directory / "buildgrid.yml"
    configuration.write_text(
        _CONFIGURATION.format(port=port, database=database, directory=directory)
    )
    log = directory / "buildgrid.log"
    with servers.start([bgd, "server", "start", str(configuration)], log) as process:
        servers.wait_until(
            lambda: servers.alive(process, log) and _listens(port), what="an answer of BuildGrid"
        )
        yield port


@contextlib.contextmanager
def _worker(directory: Path, port: int) -> Iterator[None]:
    """Runs a worker and its cache of files, which actions get their inputs from."""
    socket_file = directory / "casd.sock"
    casd = [
        "buildbox-casd",
        f"--cas-remote=http://127.0.0.1:{port}",
        f"--bind=unix:{socket_file}",
        str(directory / "casd"),
    ]
    worker = [
        "buildbox-worker",
        f"--buildbox-run={shutil.which('buildbox-run-hosttools')}",
        # The default, FUSE, leaves some inputs out.
        "--runner-arg=--staging-mode=copy-or-link",
        f"--bots-remote=http://127.0.0.1:{port}",
        f"--cas-remote=unix:{socket_file}",
        "--platform",
        "OSFamily=linux",
        f"--concurrent-jobs={os.cpu_count()}",
        "worker",
    ]
    log = directory / "casd.log"
    with servers.start(casd, log) as process:
        servers.wait_until(
            lambda: servers.alive(process, log) and socket_file.exists(), what="a socket of casd"
        )
        with servers.start(worker, directory / "worker.log"):
            yield


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
