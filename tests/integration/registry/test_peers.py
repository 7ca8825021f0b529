"""Others pull what we pushed and we pull what they pushed, images of many platforms too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch, runfile

_REGISTRY = "tools/lading/commands/registry"
_VERIFY = "tools/lading/commands/verify"
_BOTH = "tests/integration/push/both.push"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.docker_registry(tmp_path_factory.mktemp("registry")) as host:
        launch(_BOTH, f"--registry={host}", "--repository=ours")
        yield host


@pytest.fixture(scope="module")
def digest(registry: str) -> str:
    return programs.run([runfile(_REGISTRY), "inspect", f"{registry}/ours:v1"]).splitlines()[0]


def _blobs(layout: Path) -> set[str]:
    return {path.name for path in (layout / "blobs/sha256").iterdir()}


def _digest_of_layout(layout: Path) -> str:
    roots = json.loads((layout / "index.json").read_text())["manifests"]
    if len(roots) > 1:  # oras lists the images of an index as well, without a name
        roots = [
            one
            for one in roots
            if "org.opencontainers.image.ref.name" in one.get("annotations", {})
        ]
    [root] = roots
    return str(root["digest"])


@pytest.mark.parametrize("peer", ["skopeo", "crane", "oras"])
def test_a_peer_pulls_both_platforms_of_what_we_pushed(
    registry: str, digest: str, tmp_path: Path, peer: str
) -> None:
    programs.need(peer)
    layout = tmp_path / "layout"
    commands: dict[str, list[str | Path]] = {
        "skopeo": ["skopeo", "copy", "--all", "--src-tls-verify=false",
                   f"docker://{registry}/ours:v1", f"oci:{layout}:v1"],
        "crane": ["crane", "pull", "--insecure", "--format=oci", f"{registry}/ours:v1", layout],
        "oras": ["oras", "cp", "--from-plain-http", "--to-oci-layout", f"{registry}/ours:v1",
                 f"{layout}:v1"],
    }  # fmt: skip
    programs.run(commands[peer], env={"HOME": str(tmp_path)})  # oras wants one
    assert _digest_of_layout(layout) == digest
    assert len(_blobs(layout)) >= 6  # an index, two manifests, two configs, layers


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Runs podman over a storage of the test's own."""
    programs.need("podman")
    storage = ["--root", str(tmp_path / "root"), "--runroot", str(tmp_path / "run"),
               "--storage-driver=vfs"]  # fmt: skip

    def run(*arguments: str) -> str:
        return programs.run(["podman", *storage, *arguments])

    yield run
    run("image", "rm", "--all", "--force")


def test_podman_pulls_its_platform(registry: str, podman: Callable[..., str]) -> None:
    podman("pull", "--tls-verify=false", f"{registry}/ours:v1")
    shown = podman("image", "inspect", f"{registry}/ours:v1")
    assert json.loads(shown)[0]["Os"] == "linux"


def test_we_pull_what_podman_pushed(
    registry: str, tmp_path: Path, podman: Callable[..., str]
) -> None:
    """podman packs layers anew, so digests are its own: what counts is that all of it is right."""
    podman("pull", "--tls-verify=false", f"{registry}/ours:v1")
    podman("push", "--tls-verify=false", f"{registry}/ours:v1", f"docker://{registry}/podman:one")
    layout = tmp_path / "one"
    programs.run([runfile(_REGISTRY), "copy", f"{registry}/podman:one", f"oci:{layout}:v1"])
    programs.run([runfile(_VERIFY), layout])
    raw = programs.run([runfile(_REGISTRY), "inspect", f"{registry}/podman:one", "--config"])
    shown = podman("image", "inspect", f"{registry}/ours:v1")
    config = json.loads(raw)
    assert config["rootfs"]["diff_ids"] == json.loads(shown)[0]["RootFS"]["Layers"]


def test_we_pull_both_platforms_of_a_manifest_list_that_podman_pushed(
    registry: str, tmp_path: Path, podman: Callable[..., str]
) -> None:
    podman("manifest", "create", "list")
    podman("manifest", "add", "--tls-verify=false", "--all", "list", f"docker://{registry}/ours:v1")
    podman("manifest", "push", "--tls-verify=false", "--all", "list",
           f"docker://{registry}/podman:both")  # fmt: skip
    layout = tmp_path / "both"
    programs.run([runfile(_REGISTRY), "copy", f"{registry}/podman:both", f"oci:{layout}:v1"])
    programs.run([runfile(_VERIFY), layout])
    shown = programs.run([runfile(_REGISTRY), "inspect", f"{registry}/podman:both"])
    assert "linux/amd64" in shown
    assert "linux/arm64" in shown


@pytest.mark.parametrize("peer", ["skopeo", "crane", "oras"])
def test_we_pull_both_platforms_of_what_a_peer_pushed(
    registry: str, digest: str, tmp_path: Path, peer: str
) -> None:
    programs.need(peer)
    source = f"{registry}/ours:v1"
    theirs = f"{registry}/{peer}:v1"
    commands: dict[str, list[str]] = {
        "skopeo": ["skopeo", "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false",
                   f"docker://{source}", f"docker://{theirs}"],
        "crane": ["crane", "copy", "--insecure", source, theirs],
        "oras": ["oras", "cp", "--from-plain-http", "--to-plain-http", source, theirs],
    }  # fmt: skip
    programs.run(commands[peer], env={"HOME": str(tmp_path)})  # oras wants one
    layout = tmp_path / "layout"
    programs.run([runfile(_REGISTRY), "copy", theirs, f"oci:{layout}:v1"])
    assert _digest_of_layout(layout) == digest


def test_a_registry_copy_is_what_a_peer_sees(registry: str, digest: str) -> None:
    programs.need("crane")
    programs.run([runfile(_REGISTRY), "copy", f"{registry}/ours:v1", f"{registry}/copied:v2"])
    assert (
        programs.run(["crane", "digest", "--insecure", f"{registry}/copied:v2"]).strip() == digest
    )
    programs.run([runfile(_REGISTRY), "delete", f"{registry}/copied@{digest}"])
    listed = programs.run([runfile(_REGISTRY), "tags", f"{registry}/copied", "--json"])
    assert "v2" not in (json.loads(listed) or [])
