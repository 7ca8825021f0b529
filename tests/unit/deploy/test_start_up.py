"""What a push imports: most of the time that one takes which has nothing to send."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.registry_server import images
from tests.registry_server.server import serve
from tests.unit.deploy import specs

#: Needed by no push into a registry that asks for no login.
_NEVER = {
    "absl",
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "inspect",
    "lading.http.tls",
    "lading.http.trust",
    "lading.registry.auth",
    "lading.registry.certificates",
    "lading.registry.credentials",
    "lading.store.layouts",
    "logging",
    "rich",
    "shutil",
    "site",
    "subprocess",
    "tempfile",
    "urllib.request",
    "yaml",
    "zstandard",
}
#: Beside those, by none that finds its image unchanged.
_UNCHANGED = {"lading.registry.upload"}
#: Needed by no push into an OCI layout.
_NO_REGISTRY = {"http.client", "lading.registry.push", "lading.registry.session", "socket", "ssl"}


def _modules(
    arguments: list[str], directory: Path, command: str = "push"
) -> tuple[set[str], set[str]]:
    """The modules that are there at the end of a push, and of another that has nothing to send."""
    program = (
        f"import sys; sys.path += {sys.path!r}\n"
        f"from lading.commands import {command}\n"
        f"{command}.main(sys.argv[1:])\n"
        "print(*sys.modules)\n"
    )
    found: list[set[str]] = []
    for sends in (True, False):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, *arguments],
            env={**os.environ, "DOCKER_CONFIG": str(directory / "none")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("unchanged" in done.stderr or " 0 of them new" in done.stderr) != sends
        found.append(set(done.stdout.splitlines()[-1].split()))
    first, second = found
    return first, second


@pytest.mark.parametrize("flags", [[], ["--tag=v1", "--content_tag"]])
def test_a_push_imports_nothing_that_it_does_not_need(tmp_path: Path, flags: list[str]) -> None:
    value = {"repository": "app", "tags": ["v1"]}
    with serve() as server:
        operation = specs.operation(
            images.manifest(1000), tmp_path, registry=server.address, **value
        )
        first, second = _modules([*specs.write(tmp_path, operation), *flags], tmp_path)
    assert not _NEVER & first
    assert "lading.registry.push" in second
    assert not (_NEVER | _UNCHANGED) & second


def test_many_pushes_import_nothing_that_they_do_not_need(tmp_path: Path) -> None:
    with serve() as server:
        value = {"registry": server.address, "tags": ["v1"]}
        operations = [
            specs.operation(images.manifest(size), tmp_path, repository=f"app{size}", **value)
            for size in (1000, 2000)
        ]
        arguments = specs.write(tmp_path, {"operations": operations})
        first, second = _modules(arguments, tmp_path, "multi_deploy")
    assert not _NEVER & first
    assert not (_NEVER | _UNCHANGED) & second


def test_a_push_into_a_layout_needs_no_http(tmp_path: Path) -> None:
    operation = specs.operation(images.manifest(1000), tmp_path, repository="app", tags=["v1"])
    arguments = [*specs.write(tmp_path, operation), f"--store={tmp_path / 'store'}"]
    for found in _modules(arguments, tmp_path):
        assert not (_NO_REGISTRY | {"absl", "rich", "yaml"}) & found
