"""A strict registry, for commands that speak to one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry_server.server import Server, serve


@pytest.fixture(autouse=True)
def _no_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The logins and stores of whoever runs the tests are not theirs."""
    for name in (
        "BUILD_WORKING_DIRECTORY",
        "LADING_CONTEXT",
        "REGISTRY_AUTH_FILE",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running
