"""Choosing an engine, and what is said when it is not there (S1.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.engine import engines
from lading.engine.containerd import Containerd
from lading.engine.podman import Podman, podman_endpoint
from lading.errors import EngineError, InputError, UsageError


def test_an_unknown_engine_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="docker, podman, containerd"):
        engines.connect("rkt")


@pytest.mark.parametrize("name", engines.ENGINES)
def test_connecting_asks_nothing_of_the_engine(name: str) -> None:
    assert engines.connect(name, host="unix:///nonexistent/socket").name == name


@pytest.mark.parametrize("name", engines.ENGINES)
def test_an_engine_that_is_not_there_is_an_engine_error(name: str) -> None:
    with pytest.raises(EngineError, match="/nonexistent/socket"):
        engines.connect(name, host="unix:///nonexistent/socket").find("app:dev")


def test_podmans_service_is_found_by_variable_or_in_the_runtime_directory(tmp_path: Path) -> None:
    found = podman_endpoint(environ={"CONTAINER_HOST": "unix:///x.sock", "XDG_RUNTIME_DIR": "/y"})
    assert found is not None
    assert found.socket == "/x.sock"
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "podman.sock").touch()
    found = podman_endpoint(environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert found is not None
    assert found.socket == str(tmp_path / "podman" / "podman.sock")


def test_without_podman_what_was_looked_for_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = Podman(None)
    with pytest.raises(EngineError, match=r"CONTAINER_HOST.*podman on PATH"):
        engine.platform()
    engine.close()


def test_a_podman_whose_service_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "podman"
    program.write_text("#!/bin/sh\necho 'Error: no storage here' >&2\nexit 125\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(EngineError, match="does not start: Error: no storage here"):
        Podman(None).platform()


def test_containerd_takes_a_socket_with_or_without_scheme() -> None:
    assert Containerd("unix:///c.sock").address == Containerd("/c.sock").address == "/c.sock"
    assert Containerd("", {"CONTAINERD_ADDRESS": "/d.sock"}).address == "/d.sock"
    with pytest.raises(InputError, match="no socket of containerd"):
        Containerd("tcp://127.0.0.1:1")


def test_without_ctr_containerd_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "socket").touch()
    with pytest.raises(EngineError, match="no `ctr` on PATH"):
        Containerd(str(tmp_path / "socket")).find("app:dev")
