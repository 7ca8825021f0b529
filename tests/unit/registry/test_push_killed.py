"""A pusher killed at any point leaves the old or the new image at the tag; a rerun sends the rest.

The pusher is a process of its own and gets a real SIGKILL from the registry it speaks to: in the
middle of a request's body, right when the request has arrived whole, or right when it was carried
out and before the answer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.faults import CutRequest, Fault
from tests.registry_server.registry import Registry
from tests.registry_server.replies import Reply
from tests.registry_server.server import Server, serve

_SIZES = (3000, 200_000, 50)
_PUSH = """
import sys
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
chunk, *sizes = map(int, sys.argv[3:])
image = images.index([images.manifest(*sizes, seed=sys.argv[2])])
repository = Session().repository(sys.argv[1], "app")
Pusher(chunk=chunk).run([Job(image.root, image.content, repository, ("latest", "v1"))])
"""
#: The requests that every push of the image needs, and more than any needs.
_LEAST, _MOST = 15, 24


@dataclass
class _Deadly(Registry):
    """Kills its client at the request number `at`, before or after it takes effect."""

    victim: int = 0
    at: int = 0
    after: bool = False
    seen: int = 0

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.seen += 1
        deadly = bool(self.victim) and self.seen == self.at
        if deadly and not self.after:
            os.kill(self.victim, signal.SIGKILL)
            return Reply(500)
        reply = super().handle(method, target, headers, body)
        if deadly:
            os.kill(self.victim, signal.SIGKILL)
        return reply


def _image(seed: str) -> images.Image:
    return images.index([images.manifest(*_SIZES, seed=seed)])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, _MOST + 1))
def test_killed_at_a_request(at: int, after: bool) -> None:
    registry = _Deadly(at=at, after=after)

    def aim(server: Server, victim: int) -> None:
        registry.seen, registry.victim = 0, victim

    code = _check(registry, aim)
    if at <= _LEAST:
        assert code == -signal.SIGKILL


_CHUNK = 64 * 1024
_CACHE = tempfile.TemporaryDirectory()


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize(
    "name", ["large blob", "small blob", "manifest", "first tag", "second tag"]
)
def test_killed_inside_a_body(name: str, part: float) -> None:
    new = _image("new")
    [child] = (item for item in new.content.blobs.values() if b'"config":{' in item)
    path, size = {
        "large blob": ("/blobs/uploads/", max(_SIZES)),
        "small blob": ("/blobs/uploads/", min(_SIZES)),
        "manifest": ("/manifests/sha256:", len(child)),
        "first tag": ("/manifests/latest", new.root.size),
        "second tag": ("/manifests/v1", new.root.size),
    }[name]
    assert _check(Registry(), _inside("PUT", path, size, part)) == -signal.SIGKILL


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_killed_inside_a_chunk(nth: int, part: float) -> None:
    last = max(_SIZES) % _CHUNK
    size, nth = (_CHUNK, nth) if nth < 4 else (last, 1)
    aim = _inside("PATCH", "/blobs/uploads/", size, part, nth=nth)
    assert _check(Registry(), aim, chunk=_CHUNK) == -signal.SIGKILL


def _inside(
    method: str, path: str, size: int, part: float, *, nth: int = 1
) -> Callable[[Server, int], None]:
    """Kills the pusher when `part` of a body of `size` bytes has arrived; the rest never does."""
    # Of one byte less than all, because what is whole is carried out.
    read = min(int(size * part), size - 1)

    def aim(server: Server, victim: int) -> None:
        cut = CutRequest(read, keep=True, then=lambda: os.kill(victim, signal.SIGKILL))
        server.script.add(Fault(method, path, cut, nth=nth, size=size))

    return aim


def _check(registry: Registry, aim: Callable[[Server, int], None], *, chunk: int = 0) -> int:
    """Pushes with a pusher that `aim` will have killed, then once more; returns its exit code."""
    new = _image("new")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    # Compiled once for all of them, not anew by each.
    environment |= {"PYTHONPYCACHEPREFIX": _CACHE.name, "PYTHONDONTWRITEBYTECODE": ""}
    with serve(registry) as server:
        session = Session()
        repository = session.repository(server.address, "app")
        first = images.index([images.manifest(10, seed="old")])
        Pusher().run([Job(first.root, first.content, repository, ("latest",))])
        session.close()
        arguments = [server.address, "new", str(chunk), *map(str, _SIZES)]
        with subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read(1)\n" + _PUSH, *arguments],
            stdin=subprocess.PIPE,
            env=environment,
        ) as process:
            aim(server, process.pid)
            assert process.stdin is not None
            process.stdin.write(b"x")
            process.stdin.close()
            code = process.wait(timeout=60)
        _settle()
        server.script.clear()
        if isinstance(registry, _Deadly):
            registry.victim = 0
        there = registry.repositories["app"]
        for tag in ("latest", "v1"):
            named = there.tags.get(tag)
            assert named in (None, str(first.root.digest), str(new.root.digest))
            if named is not None:
                assert registry.complete("app", named)
        missing = {str(digest) for digest in new.content.blobs} - {*there.blobs, *there.manifests}
        before = sum(map(len, there.blobs.values()))
        registry.received = 0

        [pushed] = Pusher(chunk=chunk).run(
            [Job(new.root, new.content, repository, ("latest", "v1"))]
        )
        assert pushed.sent == len(missing)
        assert registry.received == sum(map(len, there.blobs.values())) - before
        assert {there.tags["latest"], there.tags["v1"]} == {str(new.root.digest)}
        assert registry.complete("app", str(new.root.digest))
        assert registry.violations == []
    return code


def _settle() -> None:
    """Waits until the registry has carried out what the pusher sent before it died."""
    deadline = time.monotonic() + 20
    while any("process_request_thread" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
