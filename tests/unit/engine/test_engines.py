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
    assert Containerd("unix:///c.sock").socket == Containerd("/c.sock").socket == "/c.sock"
    assert Containerd("", {"CONTAINERD_ADDRESS": "/d.sock"}).socket == "/d.sock"
    with pytest.raises(InputError, match="no socket of containerd"):
        Containerd("tcp://127.0.0.1:1")


def test_without_ctr_containerd_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "socket").touch()
    with pytest.raises(EngineError, match="no `ctr` on PATH"):
        Containerd(str(tmp_path / "socket")).find("app:dev")


def test_an_engine_is_present_where_the_user_may_have_images_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cleanup asks: one that is overlooked would lose an image that a container runs from."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("lading.engine.endpoint.SYSTEM_SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setattr("lading.engine.containerd._DEFAULT_SOCKET", str(tmp_path / "c.sock"))
    programs = tmp_path / "bin"
    programs.mkdir()
    env = {"HOME": str(tmp_path), "PATH": str(programs)}
    assert [name for name in engines.ENGINES if engines.present(name, env)] == []
    for name in ("podman", "ctr"):
        (programs / name).touch(0o755)
    assert [name for name in engines.ENGINES if engines.present(name, env)] == []

    # Podman without a service has images and containers all the same.
    (tmp_path / ".local/share/containers/storage").mkdir(parents=True)
    assert engines.present("podman", env)
    (tmp_path / "docker.sock").touch()
    assert engines.present("docker", env)
    assert engines.present("docker", {**env, "DOCKER_HOST": "tcp://127.0.0.1:1"})
    (tmp_path / "c.sock").touch()
    assert engines.present("containerd", env)
    assert engines.present("containerd", {"CONTAINERD_NAMESPACE": "k8s.io"})
