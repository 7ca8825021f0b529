"""Requests of whole commands for tags that are new, current or a commit's (docs/push.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.commands import multi_deploy, push
from lading.errors import StorageError
from tests.registry_server import images
from tests.registry_server.server import Server, serve
from tests.unit.deploy import specs

_IMAGE = images.manifest(1000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    with serve() as running:
        yield running


def _push(server: Server, directory: Path, *flags: str, **settings: Any) -> list[str]:
    """Pushes; returns the requests."""
    value = {"registry": server.address, "repository": "app", "tags": ["v1"], **settings}
    server.log.clear()
    push.main([*specs.write(directory, specs.operation(_IMAGE, directory, **value)), *flags])
    return [line.replace(str(_IMAGE.root.digest), "DIGEST") for line in server.lines]


def test_tag_on_the_command_line(server: Server, tmp_path: Path) -> None:
    _push(server, tmp_path)
    assert _push(server, tmp_path) == ["HEAD /v2/app/manifests/v1"]
    new = ["HEAD /v2/app/manifests/DIGEST", "PUT /v2/app/manifests/v2"]
    assert _push(server, tmp_path, "--tag=v2") == new
    assert _push(server, tmp_path, "--tag=v2") == ["HEAD /v2/app/manifests/v2"]


def test_tag_of_a_commit_on_a_machine_that_never_pushed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _push(server, tmp_path)
    (tmp_path / "status").write_text("STABLE_COMMIT abc123\nSTABLE_BRANCH main\n")
    tags = ["{{.STABLE_COMMIT}}", '{{if eq .STABLE_BRANCH "main"}}v1{{end}}']
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    requests = _push(server, tmp_path, tags=tags, status_files=["status"])
    # The other one is no news for being made by a template.
    assert requests == ["HEAD /v2/app/manifests/v1", "PUT /v2/app/manifests/abc123"]


@pytest.mark.parametrize(("branch", "latest"), [("main", True), ("fix/main", False), ("", False)])
def test_latest_is_set_on_the_default_branch_only(
    server: Server, tmp_path: Path, branch: str, latest: bool
) -> None:
    """S2.8, as docs/push.md has it."""
    (tmp_path / "status").write_text(f"STABLE_GIT_COMMIT abc123\nSTABLE_GIT_BRANCH {branch}\n")
    tags = ["{{.STABLE_GIT_COMMIT}}", '{{if eq .STABLE_GIT_BRANCH "main"}}latest{{end}}']
    _push(server, tmp_path, tags=tags, status_files=["status"], content_tag=True)
    found = set(server.registry.repositories["app"].tags)
    always = {"abc123", f"sha256-{_IMAGE.root.digest.hex}"}
    assert found == always | ({"latest"} if latest else set())


def test_what_became_of_it_is_said(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags, said in [
        ([], "(3 new, "),
        (["--tag=v1", "--tag=v2"], "(was there; tagged v2)"),
        (["--tag=v2"], "(unchanged)"),
    ]:
        _push(server, tmp_path, *flags)
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("place", ["none/result.json", "."])
def test_result_that_cannot_be_written_ends_it_before_anything_is_sent(
    server: Server, tmp_path: Path, place: str
) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        _push(server, tmp_path, f"--metadata_file={tmp_path / place}")
    assert server.log == []


def test_many_images_with_a_new_tag_are_two_requests_each(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def deploy(tag: str) -> Any:
        operations = [
            specs.operation(
                images.manifest(100, seed=str(number)),
                tmp_path,
                registry=server.address,
                repository=f"app{number}",
                tags=[tag],
            )
            for number in range(20)
        ]
        capsys.readouterr()
        multi_deploy.main(
            [*specs.write(tmp_path, {"label": "//:all", "operations": operations}), "--json"]
        )
        return json.loads(capsys.readouterr().out)

    deploy("v1")
    assert deploy("v1")["requests"] == 20
    assert deploy("v2")["requests"] == 40
    assert deploy("v2")["requests"] == 20
