"""What the tests of Debian locks share: the signed mirror beside this file, and a server of it."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

MIRROR = Path(__file__).parent / "mirror"


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def keyring() -> Path:
    """The keyring that verifies the mirror."""
    return MIRROR / "keyring.gpg"


@pytest.fixture
def mirror_url() -> Iterator[str]:
    """The base address of the mirror's archive `debian`, over http on a port of the kernel's."""
    handler = functools.partial(_Handler, directory=str(MIRROR))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/debian"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.debian.fetch._PAUSES", (0.0, 0.0))
