"""What a command started to speak to an engine ends with it, also when it fails (S1.1, S1.7)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.commands import cleanup, load, multi_deploy
from lading.errors import EngineError, LimitError
from tests.registry_server import images
from tests.unit.deploy import specs
from tests.unit.store.stores import save_image

IMAGE = images.manifest(1000, seed="app")

#: A podman whose service answers 500 to everything; it notes the process that it is.
_PODMAN = """#!{python}
import http.server, os, socketserver, sys
class Service(socketserver.UnixStreamServer):
    def get_request(self):
        return self.socket.accept()[0], ("", 0)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
open({note!r}, "a").write(f"{{os.getpid()}}\\n")
Service(sys.argv[-1].removeprefix("unix://"), Answer).serve_forever()
"""


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """A podman on PATH; tells the processes of its services."""
    programs, note = tmp_path / "bin", tmp_path / "services"
    programs.mkdir()
    (programs / "podman").write_text(_PODMAN.format(python=sys.executable, note=str(note)))
    (programs / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.defpath}")
    monkeypatch.setattr("lading.engine.podman.podman_endpoint", lambda *_, **__: None)
    return lambda: [int(line) for line in note.read_text().split()]


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _all_ended(services: Callable[[], list[int]]) -> bool:
    started = services()
    assert started
    return not any(map(_alive, started))


def test_a_load_ends_the_service_it_started(
    tmp_path: Path, services: Callable[[], list[int]]
) -> None:
    spec = specs.operation(IMAGE, tmp_path, repository="app", tags=["v1"], daemon="podman")
    with pytest.raises(EngineError):
        load.main(specs.write(tmp_path, spec))
    assert _all_ended(services)


def test_a_multi_deploy_ends_the_service_it_started(
    tmp_path: Path, services: Callable[[], list[int]]
) -> None:
    operation = specs.operation(
        IMAGE, tmp_path, kind="load", repository="app", tags=["v1"], daemon="podman"
    )
    with pytest.raises(EngineError):
        multi_deploy.main(specs.write(tmp_path, {"label": "//:all", "operations": [operation]}))
    assert _all_ended(services)


def test_a_multi_deploy_loads_into_the_engine_that_is_asked_for(
    tmp_path: Path, services: Callable[[], list[int]]
) -> None:
    operation = specs.operation(
        IMAGE, tmp_path, kind="load", repository="app", tags=["v1"], daemon="docker"
    )
    flags = specs.write(tmp_path, {"label": "//:all", "operations": [operation]})
    with pytest.raises(EngineError, match=r"(?i)podman"):
        multi_deploy.main([*flags, "--daemon=podman"])
    assert _all_ended(services)


def test_a_cleanup_ends_the_services_it_started(
    tmp_path: Path, services: Callable[[], list[int]]
) -> None:
    store = tmp_path / "store"
    save_image(store, "capy-ubuntu-24.04-gcc13", "one")
    with pytest.raises(LimitError):
        cleanup.main([f"--store={store}", "--max-total-size=0", "--daemon=podman"])
    assert _all_ended(services)


def test_an_unload_ends_the_services_it_started(
    tmp_path: Path, services: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    save_image(store, "capy-ubuntu-24.04-gcc13", "one")
    monkeypatch.setattr("lading.engine.podman.Podman.used", lambda _: frozenset())
    cleanup.main([f"--store={store}", "--max-total-size=0", "--daemon=podman", "--remove_loaded"])
    assert _all_ended(services)
    assert list(store.rglob("*.tar")) == []
