"""A pusher killed at any point leaves the old or the new image at the tag; a rerun sends the rest.

The pusher is a process of its own and gets a real SIGKILL from the registry it speaks to: right
when a request has arrived whole, or right when it was carried out and before the answer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.registry import Registry, Reply
from tests.registry_server.server import serve

_SIZES = (3000, 200_000, 50)
_PUSH = """
import sys
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
image = images.index([images.manifest(*map(int, sys.argv[3:]), seed=sys.argv[2])])
repository = Session().repository(sys.argv[1], "app")
Pusher().run([Job(image.root, image.content, repository, ("latest", "v1"))])
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
    new = _image("new")
    registry = _Deadly(at=at, after=after)
    with serve(registry) as server:
        repository = Session().repository(server.address, "app")
        first = images.index([images.manifest(10, seed="old")])
        Pusher().run([Job(first.root, first.content, repository, ("latest",))])
        registry.seen = 0
        arguments = [server.address, "new", *map(str, _SIZES)]
        with subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read(1)\n" + _PUSH, *arguments],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            registry.victim = process.pid
            assert process.stdin is not None
            process.stdin.write(b"x")
            process.stdin.close()
            code = process.wait(timeout=60)
        if at <= _LEAST:
            assert code == -signal.SIGKILL
        there = registry.repositories["app"]
        for tag in ("latest", "v1"):
            named = there.tags.get(tag)
            assert named in (None, str(first.root.digest), str(new.root.digest))
            if named is not None:
                assert registry.complete("app", named)
        missing = {str(digest) for digest in new.content.blobs} - {*there.blobs, *there.manifests}
        registry.victim = 0

        [pushed] = Pusher().run([Job(new.root, new.content, repository, ("latest", "v1"))])
        assert pushed.sent == len(missing)
        assert {there.tags["latest"], there.tags["v1"]} == {str(new.root.digest)}
        assert registry.complete("app", str(new.root.digest))
        assert registry.violations == []
