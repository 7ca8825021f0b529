"""A registry and a Docker daemon on loopback, with their data in the test's own directory."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.harness import programs

__all__ = ["alive", "docker_daemon", "docker_registry", "free_port", "start", "wait_until"]

_MNT_DETACH = 2  # umount2(2)


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on, chosen by the kernel."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], *, what: str, timeout: float = 60) -> None:
    """Polls `condition`; fails the test when it does not hold within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {timeout:.0f} s")
        time.sleep(0.1)


@contextlib.contextmanager
def docker_registry(directory: Path, auth: str = "") -> Iterator[str]:
    """Runs Debian's `docker-registry`; yields its `host:port`.

    `auth` is the value of the key of that name in its configuration, as YAML on one line.
    """
    programs.need("docker-registry")
    port = free_port()
    config = directory / "registry.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {level: error}\n"
        "storage:\n"
        f"  filesystem: {{rootdirectory: '{directory / 'registry'}'}}\n"
        "  delete: {enabled: true}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n" + (f"auth: {auth}\n" if auth else "")
    )
    command = ["docker-registry", "serve", str(config)]
    with start(command, directory / "registry.log") as process:
        wait_until(
            lambda: alive(process, directory / "registry.log") and _answers(port),
            what="an answer of docker-registry",
        )
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def docker_daemon(*, own: bool = False, containerd_images: bool = False) -> Iterator[str]:
    """Yields the DOCKER_HOST of a running Docker daemon, starting one when there is none.

    Only a daemon that was started here is stopped. Starting one takes root; without it, and
    without a running daemon, the test is skipped, or fails under LADING_REQUIRE_PEERS.

    Args:
        own: whether to start one in any case, for a test that ends it or counts what is in it.
        containerd_images: whether it keeps images in containerd; one is started then.
    """
    programs.need("docker")
    own = own or containerd_images
    for host in (os.environ.get("DOCKER_HOST", ""), "unix:///var/run/docker.sock"):
        if host and not own and _docker_answers(host):
            yield host
            return
    programs.need("dockerd", "containerd")
    if os.geteuid() != 0:
        message = "no Docker daemon runs and starting one takes root"
        if os.environ.get("LADING_REQUIRE_PEERS"):
            pytest.fail(message)
        pytest.skip(message)
    # A short path: a UNIX socket's name has at most 107 bytes. /var/tmp, because the storage
    # driver needs a real file system.
    directory = Path(tempfile.mkdtemp(prefix="lading-docker-", dir="/var/tmp"))
    host = f"unix://{directory}/docker.sock"
    features = {"features": {"containerd-snapshotter": containerd_images}}
    (directory / "daemon.json").write_text(json.dumps(features))
    command = [
        "dockerd",
        f"--config-file={directory}/daemon.json",
        "--iptables=false",
        "--ip6tables=false",
        "--bridge=none",
        # Else its own choice: overlay2, and vfs on file systems that cannot have that below them.
        *(["--storage-driver=native"] if containerd_images else []),
        f"--host={host}",
        f"--data-root={directory}/data",
        f"--exec-root={directory}/exec",
        f"--pidfile={directory}/docker.pid",
    ]
    log = directory / "dockerd.log"
    try:
        with start(command, log) as process:
            wait_until(
                lambda: alive(process, log) and _docker_answers(host), what="an answer of dockerd"
            )
            yield host
    finally:
        _unmount_below(directory)
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def start(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server with its output in `log`; ends it and waits for that."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def alive(process: subprocess.Popen[bytes], log: Path) -> bool:
    """Fails the test, with the server's output, when it has ended."""
    if process.poll() is not None:
        pytest.fail(f"{process.args!r} ended with {process.returncode}\n{log.read_text()}")
    return True


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False


def _docker_answers(host: str) -> bool:
    result = subprocess.run(
        ["docker", "--host", host, "version", "--format", "{{.Server.Version}}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    return result.returncode == 0


def _unmount_below(directory: Path) -> None:
    """Unmounts what a daemon left mounted, deepest first."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in sorted(points, reverse=True):
        if point.startswith(f"{directory}/"):
            ctypes.CDLL(None).umount2(os.fsencode(point), _MNT_DETACH)
