"""No false alarms: images that other tools make are sound, as archives and as layouts."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch, runfile

_VERIFY = "tools/lading/commands/verify"


def _verify(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [runfile(_VERIFY), "--json", *arguments], capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, value


def _sound(*arguments: str | Path) -> None:
    code, value = _verify(*arguments)
    serious = [item for item in value["findings"] if item["severity"] != "note"]
    assert (code, serious) == (0, [])
    assert value["layers"] > 0
    assert value["entries"] > 0


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A small root file system with what layers have: links, modes, an empty directory."""
    root = tmp_path / "files"
    (root / "etc/empty").mkdir(parents=True)
    (root / "etc/hello").write_text("hello")
    (root / "etc/link").symlink_to("hello")
    (root / "etc/hard").hardlink_to(root / "etc/hello")
    long = root / ("d" * 120) / ("e" * 120)
    long.mkdir(parents=True)
    (long / "ü").write_text("x" * 3000)
    return root


def _umoci(files: Path, scratch: Path) -> Path:
    programs.need("umoci")
    layout = scratch / "layout"
    programs.run(["umoci", "init", "--layout", layout])
    programs.run(["umoci", "new", "--image", f"{layout}:v1"])
    programs.run(["umoci", "insert", "--image", f"{layout}:v1", files, "/data"])
    programs.run(["umoci", "insert", "--image", f"{layout}:v1", "--whiteout", "/data/etc/hello"])
    programs.run(["umoci", "gc", "--layout", layout])
    return layout


def _buildah(files: Path, scratch: Path) -> Path:
    return _committed(files, scratch)


def _zstd_chunked(files: Path, scratch: Path) -> Path:
    """With a table of contents, whose files are in chunks, some of them of zeros, and tar-split."""
    (files / "large").write_bytes(random.Random(1).randbytes(1 << 20) + bytes(1 << 20) + b"end")
    os.setxattr(files / "large", "user.key", b"\0value")
    os.mkfifo(files / "pipe")
    layout = _committed(files, scratch, "--compression-format=zstd:chunked")
    [layer] = _documents(layout)["layers"]
    assert "io.github.containers.zstd-chunked.tarsplit-position" in layer["annotations"]
    return layout


def _documents(layout: Path) -> dict[str, Any]:
    """The manifest of the only image."""
    [root] = json.loads((layout / "index.json").read_text())["manifests"]
    blob = layout / "blobs" / root["digest"].replace(":", "/")
    value: dict[str, Any] = json.loads(blob.read_text())
    return value


def _committed(files: Path, scratch: Path, *flags: str) -> Path:
    programs.need("buildah")
    storage: list[str | Path] = [
        "--root",
        scratch / "root",
        "--runroot",
        scratch / "run",
        "--storage-driver=vfs",
    ]
    name = programs.run(["buildah", *storage, "from", "scratch"]).strip()
    programs.run(["buildah", *storage, "copy", name, files, "/data"])
    programs.run(["buildah", *storage, "config", "--cmd", "/x", "--port", "80", name])
    layout = scratch / "layout"
    programs.run(["buildah", *storage, "commit", "-q", name, "lading-verify"])
    programs.run(["buildah", *storage, "push", "-q", *flags, "lading-verify", f"oci:{layout}:v1"])
    programs.run(["buildah", *storage, "rm", name])
    return layout


def _skopeo_archive(files: Path, scratch: Path) -> Path:
    programs.need("skopeo")
    layout = _umoci(files, scratch)
    archive = scratch / "image.tar"
    programs.run(["skopeo", "copy", f"oci:{layout}:v1", f"oci-archive:{archive}:v1"])
    return archive


def _skopeo_docker_archive(files: Path, scratch: Path) -> Path:
    layout = _buildah(files, scratch)
    archive = scratch / "docker.tar"
    programs.run(["skopeo", "copy", f"oci:{layout}:v1", f"docker-archive:{archive}:a:v1"])
    return archive


MAKERS: dict[str, Callable[[Path, Path], Path]] = {
    "umoci": _umoci,
    "buildah": _buildah,
    "buildah, zstd:chunked": _zstd_chunked,
    "skopeo, oci-archive": _skopeo_archive,
    "skopeo, docker-archive": _skopeo_docker_archive,
}


@pytest.mark.parametrize("maker", MAKERS)
def test_what_another_tool_makes_is_sound(files: Path, tmp_path: Path, maker: str) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    _sound(MAKERS[maker](files, scratch))


def test_what_docker_builds_and_saves_is_sound(files: Path, tmp_path: Path) -> None:
    with servers.docker_daemon() as host:
        docker = ["docker", "--host", host]
        (files / "Dockerfile").write_text('FROM scratch\nCOPY etc /etc\nCOPY . /data\nCMD ["/x"]\n')
        tag = "lading-test/verify:v1"
        try:
            programs.run([*docker, "build", "--quiet", "--tag", tag, files])
            programs.run([*docker, "save", "--output", tmp_path / "saved.tar", tag])
        finally:
            subprocess.run(
                [*docker, "image", "rm", "--force", tag], capture_output=True, check=False
            )
    _sound(tmp_path / "saved.tar")


def test_an_image_in_a_registry_is_verified(tmp_path: Path) -> None:
    with servers.docker_registry(tmp_path) as host:
        launch("app/push", f"--registry={host}", "--tag=v1")
        _sound(f"{host}/app:v1", "--strict", "--platform=linux/amd64")
        code, value = _verify(f"{host}/app:v1", "--platform=linux/arm64")
    assert code == 3
    assert [item["rule"] for item in value["findings"]] == ["platform-expected"]


def test_our_own_archives_and_layouts_are_sound(tmp_path: Path) -> None:
    launch("app/push", f"--store={tmp_path}")
    launch("app/save", f"--store={tmp_path}", "--name=lading-debian-13-base")
    _sound(tmp_path / "layouts/app", "--strict")
    _sound(tmp_path / "images/lading/lading-debian-13-base.tar", "--strict")
