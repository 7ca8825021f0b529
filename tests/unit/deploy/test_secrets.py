"""A secret reaches the registry it belongs to, and appears in no argv, log, output or file.

Whole commands as processes of their own: push with everything that writes something, copy, login.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.registry_server import images
from tests.registry_server.faults import Answer, Fault, Mangle
from tests.registry_server.registry import Registry
from tests.registry_server.server import Server, TokenServer, serve, serve_tokens
from tests.unit.deploy import specs

_PASSWORD = "sentinel-5f0c"
_PAIR = base64.b64encode(f"me:{_PASSWORD}".encode()).decode()
_IMAGE = images.manifest(5000)
Run = Callable[..., subprocess.CompletedProcess[str]]

#: Notes the arguments of every process that is started, the command's own among them.
_AUDIT = """
import os, sys
def _note(event, arguments):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        with open(os.environ["AUDIT"], "a") as file:
            file.write(repr(arguments) + "\\n")
sys.addaudithook(_note)
"""


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    with serve_tokens(users={"me": _PASSWORD}, anonymous=False) as running:
        yield running


@pytest.fixture(params=["basic", "token"])
def server(request: pytest.FixtureRequest, token_server: TokenServer) -> Iterator[Server]:
    registry = Registry(basic=("me", _PASSWORD))
    if request.param == "token":
        registry = Registry(token=token_server.auth)
    with serve(registry) as running:
        yield running


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """A credential helper in a directory that is not searched for the secret."""
    path = tmp_path / "bin" / "docker-credential-box"
    path.parent.mkdir()
    answer = json.dumps({"Username": "me", "Secret": _PASSWORD})
    path.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def run(tmp_path: Path, helper: Path, token_server: TokenServer) -> Run:
    """Runs a command with a home of its own; everything that it leaves is in `tmp_path/home`."""
    home = tmp_path / "home"
    (home / "docker").mkdir(parents=True)
    (home / "docker/config.json").write_text('{"credsStore": "box"}')
    (tmp_path / "bin/sitecustomize.py").write_text(_AUDIT)

    def start(module: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"lading.commands.{module}", *arguments],
            input=stdin,
            text=True,
            capture_output=True,
            cwd=home,
            env={
                "AUDIT": str(home / "audit"),
                "DOCKER_CONFIG": str(home / "docker"),
                "HOME": str(home),
                "LADING_REALMS": token_server.realm.removesuffix("/token"),
                "PATH": f"{helper.parent}:/usr/bin:/bin",
                "PYTHONPATH": os.pathsep.join([str(helper.parent), *sys.path]),
                "TMPDIR": str(home),
            },
            check=False,
        )

    return start


def _check(tmp_path: Path, token_server: TokenServer, *texts: str) -> None:
    """Looks for every form of the secret, and for tokens, in texts and files."""
    secrets = [_PASSWORD, _PAIR, *token_server.auth.issued]
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files
    found = {str(path): path.read_text(errors="replace") for path in files}
    for secret in secrets:
        assert not [text for text in texts if secret in text]
        assert not [name for name, text in found.items() if secret in text]


@pytest.mark.parametrize("trouble", ["none", "503", "refused", "garbage"])
def test_push(
    server: Server, token_server: TokenServer, run: Run, tmp_path: Path, trouble: str
) -> None:
    faults = {
        "503": Fault("PUT", "/uploads/", Answer(503), nth=1),
        "refused": Fault("PUT", "/manifests/v1", Answer(403, {}, b'{"errors": []}'), times=0),
        "garbage": Fault("HEAD", "/manifests/", Mangle(garbage=b"no HTTP\r\n"), nth=2),
    }
    if trouble in faults:
        server.script.add(faults[trouble])
    operation = specs.operation(_IMAGE, tmp_path, registry=server.address, repository="app")
    flags = specs.write(tmp_path, {**operation, "tags": ["v1"]})
    done = run("push", *flags, "--verbose", "--json", "--metadata_file=result.json")
    assert done.returncode == (7 if trouble == "refused" else 0), done.stderr
    used = [item.headers.get("authorization", "") for item in server.log]
    assert any(used)
    assert "docker-credential-box" in (tmp_path / "home/audit").read_text()
    _check(tmp_path, token_server, done.stdout, done.stderr, *server.lines)


def test_copy(server: Server, token_server: TokenServer, run: Run, tmp_path: Path) -> None:
    operation = specs.operation(_IMAGE, tmp_path, registry=server.address, repository="app")
    assert run("push", *specs.write(tmp_path, {**operation, "tags": ["v1"]})).returncode == 0
    source, target = f"{server.address}/app:v1", f"{server.address}/other:v1"
    done = run("registry", "copy", source, target, "--verbose", "--json")
    assert done.returncode == 0, done.stderr
    layout = run("registry", "copy", source, "oci:layout:v1", "--verbose")
    assert layout.returncode == 0, layout.stderr
    _check(tmp_path, token_server, done.stdout, done.stderr, layout.stdout, layout.stderr)


def test_login(server: Server, token_server: TokenServer, run: Run, tmp_path: Path) -> None:
    done = run("registry", "login", server.address, "--username=me", "--verbose", stdin=_PASSWORD)
    # The helper takes no logins: the command says so.
    assert "Traceback" not in done.stderr
    _check(tmp_path, token_server, done.stdout, done.stderr)


def test_password_on_the_command_line_is_no_flag_and_is_not_repeated(
    server: Server, run: Run
) -> None:
    done = run("registry", "login", server.address, "--username=me", f"--password={_PASSWORD}")
    assert done.returncode == 2
    assert _PASSWORD not in done.stdout + done.stderr
