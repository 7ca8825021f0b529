"""Which builder is taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.builder import choose
from lading.errors import EngineError, InputError, UsageError


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine without any builder."""
    monkeypatch.setattr(choose, "_PLUGINS", (str(tmp_path / "plugins"),))
    monkeypatch.setattr(choose, "_path", lambda env: env["PATH"])
    (tmp_path / "bin").mkdir()
    socket = f"unix://{tmp_path}/docker.sock"
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "DOCKER_HOST": socket}


def _install(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_without_a_builder_it_says_what_it_looked_for(machine: dict[str, str]) -> None:
    with pytest.raises(EngineError) as caught:
        choose.find(environ=machine)
    for looked in ("docker-buildx on PATH", "docker.sock", "DOCKER_HOST", "buildah on PATH"):
        assert looked in caught.value.what
    for name in ("docker", "buildah", "buildkit"):
        with pytest.raises(EngineError, match=f"the builder {name} is not there"):
            choose.find(name, environ=machine)


def test_docker_first_then_buildah(
    machine: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("buildah", "unshare"):
        _install(tmp_path / "bin" / program)
    assert choose.find(environ=machine).name == "buildah"
    _install(tmp_path / ".docker" / "cli-plugins" / "docker-buildx")
    assert choose.find(environ=machine).name == "buildah"
    # A socket that nobody listens at is no daemon.
    (tmp_path / "docker.sock").touch()
    assert choose.find(environ=machine).name == "buildah"
    assert choose.find("docker", environ=machine).name == "docker"
    monkeypatch.setattr(choose, "_answers", lambda endpoint, looked: True)
    assert choose.find(environ=machine).name == "docker"
    assert choose.find("buildah", environ=machine).name == "buildah"
    # A daemon elsewhere is only taken when it is asked for.
    machine["DOCKER_HOST"] = "tcp://127.0.0.1:1"
    assert choose.find(environ=machine).name == "buildah"
    assert choose.find("docker", environ=machine).name == "docker"


def test_an_address_needs_a_name(machine: dict[str, str], tmp_path: Path) -> None:
    _install(tmp_path / "plugins" / "docker-buildx")
    with pytest.raises(UsageError, match="may be a Docker daemon or a buildkitd"):
        choose.find(address="tcp://127.0.0.1:1234", environ=machine)
    with pytest.raises(UsageError, match="no builder 'kaniko'"):
        choose.find("kaniko", environ=machine)
    found = choose.find("buildkit", address="tcp://127.0.0.1:1234", environ=machine)
    assert found.name == "buildkit"
    machine["BUILDKIT_HOST"] = "unix:///run/buildkit.sock"
    assert choose.find("buildkit", environ=machine).name == "buildkit"
    with pytest.raises(InputError, match="no address of a buildkitd"):
        choose.find("buildkit", address="kube-pod://x", environ=machine)
