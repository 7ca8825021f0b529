"""Logging in to a real docker-registry: basic and token, from every place that keeps logins."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch, runfile
from tests.integration.registry import tokens
from tests.integration.registry.tokens import IDENTITY, PASSWORD, USER, TokenServer

_REGISTRY = "tools/lading/commands/registry"
#: bcrypt of PASSWORD; the standard library has no bcrypt.
_HTPASSWD = f"{USER}:$2b$05$8YdLVDec2PcswfHDaLJCGuV6HNgchnXQ6YAAUqHDBLJQ8om9KTbou\n"
_PAIR = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("basic")
    (directory / "htpasswd").write_text(_HTPASSWD)
    auth = f"{{htpasswd: {{realm: test, path: '{directory / 'htpasswd'}'}}}}"
    with servers.docker_registry(directory, auth) as host:
        yield host


@pytest.fixture(scope="module")
def token_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    with tokens.serve(tmp_path_factory.mktemp("tokens")) as running:
        yield running


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, token_server: TokenServer) -> Iterator[str]:
    with servers.docker_registry(tmp_path_factory.mktemp("token"), token_server.auth) as host:
        yield host


def _docker_config(home: Path, host: str) -> dict[str, str]:
    path = home / "docker/config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"auths": {host: {"auth": _PAIR}}}))
    return {"DOCKER_CONFIG": str(path.parent)}


def _auth_file(home: Path, host: str) -> dict[str, str]:
    path = home / "auth.json"
    path.write_text(json.dumps({"auths": {host: {"auth": _PAIR}}}))
    return {"REGISTRY_AUTH_FILE": str(path)}


def _helper(home: Path, host: str) -> dict[str, str]:
    program = home / "bin/docker-credential-box"
    program.parent.mkdir()
    answer = json.dumps({"ServerURL": host, "Username": USER, "Secret": PASSWORD})
    program.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")
    program.chmod(0o755)
    path = home / "docker/config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"credHelpers": {host: "box"}}))
    return {"DOCKER_CONFIG": str(path.parent), "PATH": f"{program.parent}:/usr/bin:/bin"}


def _login(home: Path, host: str) -> dict[str, str]:
    """What `//tools:registry -- login` leaves behind."""
    environment = {"DOCKER_CONFIG": str(home / "docker")}
    subprocess.run(
        [runfile(_REGISTRY), "login", host, f"--username={USER}"],
        input=f"{PASSWORD}\n".encode(),
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), **environment},
        check=True,
        capture_output=True,
    )
    return environment


PLACES: dict[str, Callable[[Path, str], dict[str, str]]] = {
    "docker config": _docker_config,
    "podman auth.json": _auth_file,
    "credential helper": _helper,
    "login": _login,
}


def _outside(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    return {"HOME": str(home), "XDG_RUNTIME_DIR": "", "XDG_CONFIG_HOME": "", **environment}


@pytest.mark.parametrize("place", PLACES)
def test_basic_authentication(basic: str, tmp_path: Path, place: str) -> None:
    environment = _outside(tmp_path, PLACES[place](tmp_path, basic))
    name = place.replace(" ", "-")
    result = launch("app/push", f"--registry={basic}", f"--repository=team/{name}", env=environment)
    assert result["changed"]
    listed = programs.run([runfile(_REGISTRY), "tags", f"{basic}/team/{name}"], env=environment)
    assert listed == "latest\n"


@pytest.mark.parametrize("place", ["docker config", "podman auth.json", "credential helper"])
def test_token_authentication(
    token: str, token_server: TokenServer, tmp_path: Path, place: str
) -> None:
    environment = _outside(tmp_path, PLACES[place](tmp_path, token))
    name = place.replace(" ", "-")
    result = launch(
        "app/push",
        f"--registry={token}",
        f"--repository=team/{name}",
        f"--realm={token_server.realm.removesuffix('/token')}",
        env=environment,
    )
    assert result["changed"]
    assert [f"repository:team/{name}:pull,push"] in token_server.log


def test_identity_token(token: str, token_server: TokenServer, tmp_path: Path) -> None:
    path = tmp_path / "docker/config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"auths": {token: {"identitytoken": IDENTITY}}}))
    result = launch(
        "app/push",
        f"--registry={token}",
        "--repository=team/identity",
        f"--realm={token_server.realm.removesuffix('/token')}",
        env=_outside(tmp_path, {"DOCKER_CONFIG": str(path.parent)}),
    )
    assert result["changed"]


def _fails(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [runfile("app/push"), *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_without_a_login_it_says_how_to_get_one(basic: str, tmp_path: Path) -> None:
    code, said = _fails(_outside(tmp_path, {"DOCKER_CONFIG": "/nowhere"}), f"--registry={basic}")
    assert code == 7
    assert "wants a login" in said
    assert f"//tools:registry -- login {basic}" in said


def test_a_token_server_that_nobody_allowed_is_not_asked(
    token: str, token_server: TokenServer, tmp_path: Path
) -> None:
    environment = _outside(tmp_path, _docker_config(tmp_path, token))
    before = len(token_server.log) + token_server.refused
    code, said = _fails(environment, f"--registry={token}")
    assert code == 7
    assert "--realm" in said
    assert len(token_server.log) + token_server.refused == before
    assert PASSWORD not in said
