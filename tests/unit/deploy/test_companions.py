"""What is pushed beside the image itself, and the other ways to say where it goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.commands import multi_deploy, push
from lading.errors import InputError
from tests.registry_server import images
from tests.registry_server.server import Server, serve
from tests.unit.deploy import specs

AMD64 = images.manifest(1000, platform="linux/amd64")
ARM64 = images.manifest(1000, platform="linux/arm64", seed="arm")
INDEX = images.index([AMD64, ARM64])
SBOM = images.manifest(500, subject=INDEX.root, artifact_type="application/spdx+json")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    for name in ("LADING_CONTEXT", "LADING_REMOTE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with serve() as running:
        yield running
    assert running.registry.violations == []


def _operation(server: Server, directory: Path, **settings: Any) -> dict[str, Any]:
    known = {"registry": server.address, "repository": "team/app", "tags": ["v1"]}
    return specs.operation(INDEX, directory, **(known | settings))


def _push(directory: Path, operation: dict[str, Any], *flags: str) -> None:
    assert push.main([*specs.write(directory, operation), *flags]) == 0


def test_manifests_of_an_index_get_tags_of_their_own(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operation = _operation(
        server,
        tmp_path,
        manifest_tags=["{{.VERSION}}-{{.os}}-{{.arch}}"],
        build_settings={"VERSION": "v1"},
    )
    _push(tmp_path, operation)

    assert server.registry.repositories["team/app"].tags == {
        "v1": str(INDEX.root.digest),
        "v1-linux-amd64": str(AMD64.root.digest),
        "v1-linux-arm64": str(ARM64.root.digest),
    }
    assert (
        f"{server.address}/team/app:v1-linux-arm64@{ARM64.root.digest}" in capsys.readouterr().out
    )
    server.log.clear()
    _push(tmp_path, operation)
    assert [line.partition(" ")[0] for line in server.lines] == ["HEAD"] * 3


def test_referrers_go_along_without_a_tag(server: Server, tmp_path: Path) -> None:
    operation = _operation(server, tmp_path, referrers=[specs.image_json(SBOM, tmp_path)])
    _push(tmp_path, operation)

    repository = server.registry.repositories["team/app"]
    assert str(SBOM.root.digest) in repository.manifests
    assert repository.tags == {"v1": str(INDEX.root.digest)}


def test_destination_file_names_registry_and_repository(server: Server, tmp_path: Path) -> None:
    (tmp_path / "destination").write_text(f"{server.address}/other/app\n")
    operation = _operation(
        server, tmp_path, registry="", repository="", destination_file="destination"
    )
    _push(tmp_path, operation)
    assert server.registry.repositories["other/app"].tags == {"v1": str(INDEX.root.digest)}


@pytest.mark.parametrize("text", ["", "no-repository", "host/{{.NAME}}", "host/a\nhost/b"])
def test_destination_file_that_is_none_is_refused(
    server: Server, tmp_path: Path, text: str
) -> None:
    (tmp_path / "destination").write_text(text)
    operation = _operation(server, tmp_path, destination_file="destination")
    with pytest.raises(InputError, match="destination has"):
        _push(tmp_path, operation)
    assert server.lines == []


def test_tag_of_a_file_that_is_none_is_refused_in_the_name_of_the_target(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "tags").write_text("v1\nv1+2\n")
    with pytest.raises(InputError, match=r"//app:push, tag: 'v1\+2' is not a tag"):
        _push(tmp_path, _operation(server, tmp_path, tag_files=["tags"]))
    assert server.lines == []


def test_mount_that_is_no_repository_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'Team:push' is not a repository name"):
        _push(tmp_path, _operation(server, tmp_path), "--mount=Team:push")
    assert server.lines == []


@pytest.mark.parametrize("settings", [{"tag_files": ["odd"]}, {"destination_file": "odd"}])
def test_file_that_is_not_utf_8_is_named(
    server: Server, tmp_path: Path, settings: dict[str, Any]
) -> None:
    (tmp_path / "odd").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="odd is not UTF-8"):
        _push(tmp_path, _operation(server, tmp_path, **settings))
    assert server.lines == []


def test_file_that_cannot_be_read_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(InputError, match="directory cannot be read: Is a directory"):
        _push(tmp_path, _operation(server, tmp_path, tag_files=["directory"]))


def test_layers_are_mounted_from_the_repository_that_is_named(
    server: Server, tmp_path: Path
) -> None:
    _push(tmp_path, _operation(server, tmp_path))
    received = server.registry.received
    _push(tmp_path, _operation(server, tmp_path, repository="copy/app", mounts=["team/app"]))
    assert server.registry.received == received


def test_companions_go_with_each_operation_of_many(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operations = [
        _operation(server, tmp_path, manifest_tags=["{{.arch}}"], repository=name)
        for name in ("one", "two")
    ]
    flags = specs.write(tmp_path, {"label": "//:all", "operations": operations})
    assert multi_deploy.main([*flags, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    for name, operation in zip(("one", "two"), result["operations"], strict=True):
        assert set(server.registry.repositories[name].tags) == {"v1", "amd64", "arm64"}
        assert len(operation["references"]) == 3


def test_layout_has_them_too(server: Server, tmp_path: Path) -> None:
    operation = _operation(
        server,
        tmp_path,
        registry="",
        manifest_tags=["{{.arch}}"],
        referrers=[specs.image_json(SBOM, tmp_path)],
    )
    _push(tmp_path, operation, f"--store={tmp_path}/store")
    layout = tmp_path / "store" / "layouts" / "team" / "app"
    found = {
        item.get("annotations", {}).get("org.opencontainers.image.ref.name", ""): item["digest"]
        for item in json.loads((layout / "index.json").read_text())["manifests"]
    }
    assert found == {
        "v1": str(INDEX.root.digest),
        "amd64": str(AMD64.root.digest),
        "arm64": str(ARM64.root.digest),
        "": str(SBOM.root.digest),
    }
