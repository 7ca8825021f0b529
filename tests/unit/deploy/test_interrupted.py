"""Ctrl-C ends a command at once, with 130 and without a word."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lading.commands import push
from lading.http.messages import Request
from lading.http.transport import Transport
from tests.registry_server import images
from tests.registry_server.faults import CutRequest, Fault
from tests.registry_server.server import serve
from tests.unit.deploy import specs


def _start(module: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _interrupt(process: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130
    assert time.monotonic() - began < 20


def test_a_push_does_not_wait_for_the_layers_on_their_way(tmp_path: Path) -> None:
    image = images.manifest(1000, 2000)
    arrived, go = threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        go.wait(60)

    with serve() as server:
        server.script.add(Fault("PUT", "/blobs/uploads/", CutRequest(None, then=hold)))
        value = {"registry": server.address, "repository": "app", "tags": ["v1"]}
        operation = specs.operation(image, tmp_path, **value)
        process = _start("lading.commands.push", specs.write(tmp_path, operation))
        assert arrived.wait(60)
        _interrupt(process)
        go.set()
        assert server.count("PUT /v2/app/manifests/") == 0


@pytest.mark.parametrize("before", ["full", "other"])
def test_push_after_an_interrupted_one_prints_its_tag(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    before: str,
) -> None:
    """Whatever the one before left in the registry, and in the memory of what was pushed."""
    image = images.manifest(1000)
    send = Transport.send
    left = [0]

    def until(self: Transport, request: Request) -> Any:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return send(self, request)

    ended = False
    for after in range(1, 30):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache{after}"))
        with serve() as server:
            operation = specs.operation(image, tmp_path, registry=server.address, repository="app")
            arguments = specs.write(tmp_path, operation)
            with monkeypatch.context() as patch:
                patch.setattr(Transport, "send", until)
                left[0] = after
                with contextlib.suppress(KeyboardInterrupt):
                    ended = not push.main([*arguments, f"--tag={before}"])
            capsys.readouterr()
            assert push.main([*arguments, "--tag=full"]) == 0
            digest = image.root.digest
            expected = f"{digest}\n{server.address}/app:full@{digest}\n"
            assert capsys.readouterr().out == expected
            assert server.registry.repositories["app"].tags["full"] == str(digest)
        if ended:
            break
    assert ended
    assert after > 8
