"""Where the Docker daemon is, as docker itself would find it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lading.engine import endpoint
from lading.engine.endpoint import docker_endpoint
from lading.errors import InputError, NotFoundError


def _context(directory: Path, name: str, host: str) -> None:
    meta = directory / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    value = {"Name": name, "Endpoints": {"docker": {"Host": host}}}
    (meta / "meta.json").write_text(json.dumps(value))


def test_the_flag_wins_over_the_environment() -> None:
    found = docker_endpoint("tcp://127.0.0.1:2375", environ={"DOCKER_HOST": "unix:///x"})
    assert (found.base_url, found.socket) == ("http://127.0.0.1:2375", "")


def test_docker_host_wins_over_a_context(tmp_path: Path) -> None:
    _context(tmp_path, "other", "unix:///other.sock")
    env = {"DOCKER_HOST": "unix:///x.sock", "DOCKER_CONTEXT": "other"}
    assert docker_endpoint(environ={**env, "DOCKER_CONFIG": str(tmp_path)}).socket == "/x.sock"


def test_a_context_is_found_by_name_or_as_the_current_one(tmp_path: Path) -> None:
    _context(tmp_path, "vm", "unix:///vm.sock")
    env = {"DOCKER_CONFIG": str(tmp_path)}
    assert docker_endpoint(environ={**env, "DOCKER_CONTEXT": "vm"}).socket == "/vm.sock"
    (tmp_path / "config.json").write_text('{"currentContext": "vm"}')
    assert docker_endpoint(environ=env).socket == "/vm.sock"


def test_the_default_context_is_no_context(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"currentContext": "default"}')
    assert "sock" in docker_endpoint(environ={"DOCKER_CONFIG": str(tmp_path)}).socket


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="'gone'"):
        docker_endpoint(environ={"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "gone"})


def test_a_damaged_context_is_named_by_its_file(tmp_path: Path) -> None:
    _context(tmp_path, "vm", "unix:///vm.sock")
    [meta] = tmp_path.glob("contexts/meta/*/meta.json")
    meta.write_text("{")
    with pytest.raises(NotFoundError, match=r"meta\.json"):
        docker_endpoint(environ={"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "vm"})


def test_a_rootless_socket_is_used_when_it_is_the_one_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "SYSTEM_SOCKET", str(tmp_path / "system.sock"))
    (tmp_path / "docker.sock").touch()
    found = docker_endpoint(environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert found.socket == str(tmp_path / "docker.sock")


@pytest.mark.parametrize(
    "host", ["ssh://me@host", "unix://relative", "tcp://", "x", "npipe:////./x"]
)
def test_an_address_that_cannot_be_reached_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="no address of a daemon"):
        docker_endpoint(environ={"DOCKER_HOST": host})


def test_tls_needs_the_certificates_directory() -> None:
    env = {
        "DOCKER_HOST": "tcp://127.0.0.1:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": "/c",
    }
    found = docker_endpoint(environ=env)
    assert (found.base_url, found.certificates) == ("https://127.0.0.1:2376", "/c")
