"""Layers of each kind unpack identically everywhere, and blobs of several frames go everywhere."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.layer import action, inputs, layouts, trees
from tests.integration.layer.trees import Node

#: Name of the image, and how its layer is made. Level and profile change no format.
_KINDS = {"gzip": "gzip/fast", "zstd": "zstd/fast", "none": "none", "estargz": "estargz"}
#: What eStargz adds to the files of a layer, and they are there once it is unpacked.
_ESTARGZ = ("stargz.index.json", ".no.prefetch.landmark")


@dataclass(frozen=True)
class Images:
    """A layout with an image of each kind, and a registry with the same."""

    layout: Path
    registry: str
    layers: Mapping[str, action.Layer]
    digests: Mapping[str, str]

    def blob(self, kind: str) -> Path:
        digest: str = self.layers[kind].metadata["digest"]
        return self.layout / "blobs/sha256" / digest[7:]

    def reference(self, kind: str) -> str:
        return f"{self.registry}/team/layers:{kind}"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    programs.need("skopeo")
    root = tmp_path_factory.mktemp("sources")
    lines = inputs.generate(root)
    scratch = tmp_path_factory.mktemp("scratch")
    layers = {
        name: action.build(root, scratch / "layer", lines, action.KINDS[kind])
        for name, kind in _KINDS.items()
    }
    layout = scratch / "layout"
    digests = layouts.write(layout, layers)
    with servers.docker_registry(scratch) as registry:
        found = Images(layout, registry, layers, digests)
        for kind in _KINDS:
            # skopeo remembers that one layer is another, compressed otherwise, and would push that.
            keep = ("--preserve-digests", "--dest-tls-verify=false")
            target = f"docker://{found.reference(kind)}"
            programs.run(["skopeo", "copy", *keep, f"oci:{layout}:{kind}", target])
        yield found


@pytest.fixture(scope="module")
def expected(images: Images) -> dict[str, Node]:
    """What is in the layer, by Python's tarfile."""
    nodes = trees.of_tar(io.BytesIO(images.layers["none"].blob))
    # That there is something of everything.
    assert {node.kind for node in nodes.values()} == {"file", "directory", "link"}
    assert any(len(node.links) == 2 for node in nodes.values())
    attributes = {name for node in nodes.values() for name, _ in node.xattrs}
    assert attributes == {"user.lading", "security.capability"}
    assert max(map(len, nodes)) > 255
    assert not all(map(str.isascii, nodes))
    assert nodes["usr/bin/setuid"].mode == 0o4755
    assert nodes["etc/owned"].uid > 2**21
    assert nodes["opt/tree/nothing/inner"].kind == "directory"
    return nodes


def test_every_blob_has_several_frames(images: Images) -> None:
    for kind, magic in (("gzip", b"\x1f\x8b\x08"), ("zstd", b"\x28\xb5\x2f\xfd")):
        assert images.blob(kind).read_bytes().count(magic) > 2
    assert images.layers["estargz"].blob.count(b"\x1f\x8b\x08\x00") > 900


def _umoci(images: Images, kind: str, scratch: Path) -> Path:
    programs.need("umoci")
    programs.run(["umoci", "unpack", f"--image={images.layout}:{kind}", scratch / "bundle"])
    return scratch / "bundle/rootfs"


def _gnu_tar(images: Images, kind: str, scratch: Path) -> Path:
    programs.need("tar")
    flags = {"none": "--no-auto-compress", "zstd": "--zstd"}.get(kind, "--gzip")
    keep = ("--numeric-owner", "--same-owner", "--same-permissions", "--xattrs-include=*")
    place = [f"--directory={scratch}", f"--file={images.blob(kind)}"]
    programs.run(["tar", "--extract", flags, *keep, *place])
    return scratch


def _bsdtar(images: Images, kind: str, scratch: Path) -> Path:
    programs.need("bsdtar")
    place = ("-C", scratch, "-f", images.blob(kind))
    programs.run(["bsdtar", "-x", "-p", "--numeric-owner", "--xattrs", *place])
    return scratch


def _podman(images: Images, kind: str, scratch: Path) -> Path:
    programs.need("podman")
    podman = ["podman", f"--root={scratch}/root", f"--runroot={scratch}/run"]
    podman.append("--storage-driver=vfs")
    programs.run([*podman, "pull", "--quiet", "--tls-verify=false", images.reference(kind)])
    digest = programs.run(
        [*podman, "image", "inspect", "--format={{.Digest}}", images.reference(kind)]
    )
    assert digest.strip() == images.digests[kind]
    return Path(programs.run([*podman, "image", "mount", images.reference(kind)]).strip())


_DIRECTORIES: dict[str, Callable[[Images, str, Path], Path]] = {
    "umoci": _umoci,
    "GNU tar": _gnu_tar,
    "bsdtar": _bsdtar,
    "podman": _podman,
}


def _same(found: dict[str, Node], expected: dict[str, Node], kind: str) -> None:
    if kind == "estargz":
        for name in _ESTARGZ:
            assert found.pop(name).kind == "file"
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("tool", _DIRECTORIES)
def test_layers_unpack_identically(
    images: Images, expected: dict[str, Node], tmp_path: Path, tool: str, kind: str
) -> None:
    _same(trees.of_directory(_DIRECTORIES[tool](images, kind, tmp_path)), expected, kind)


#: What Docker adds to every container.
_DOCKERS = {
    ".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts",
    "etc/mtab", "etc/resolv.conf", "proc", "sys",
}  # fmt: skip


def test_docker_pulls_and_unpacks_every_kind(
    images: Images, expected: dict[str, Node], tmp_path: Path
) -> None:
    with servers.docker_daemon() as host:
        docker = ["docker", "--host", host]
        for kind in _KINDS:
            reference = images.reference(kind)
            container = ""
            try:
                programs.run([*docker, "pull", "--quiet", reference])
                container = programs.run([*docker, "create", "--network=none", reference]).strip()
                programs.run([*docker, "export", f"--output={tmp_path / 'export'}", container])
            finally:
                for words in (["rm", "--force", container], ["image", "rm", "--force", reference]):
                    subprocess.run([*docker, *words], capture_output=True, check=False)
            with (tmp_path / "export").open("rb") as stream:
                found = trees.of_tar(stream)
            for name in _DOCKERS - expected.keys():
                found.pop(name, None)
            # Docker makes files in it.
            found["etc"] = replace(found["etc"], mtime=expected["etc"].mtime)
            # `docker export` leaves out attributes of users, so they are not seen here.
            _same(found, {name: _without_users(node) for name, node in expected.items()}, kind)


def _without_users(node: Node) -> Node:
    kept = tuple((name, value) for name, value in node.xattrs if not name.startswith("user."))
    return replace(node, xattrs=kept)


def test_blobs_go_through_registries_and_tools_as_they_are(images: Images, tmp_path: Path) -> None:
    programs.need("crane")
    for kind in _KINDS:
        reference = images.reference(kind)
        assert (
            programs.run(["crane", "digest", "--insecure", reference]).strip()
            == (images.digests[kind])
        )
        if images.layers[kind].metadata["mediaType"].endswith("+gzip"):  # all that crane validates
            programs.run(["crane", "validate", "--insecure", f"--remote={reference}"])
        target = tmp_path / kind
        source = f"docker://{reference}"
        programs.run(["skopeo", "copy", "--src-tls-verify=false", source, f"dir:{target}"])
        digest = images.layers[kind].metadata["digest"]
        assert (target / digest[7:]).read_bytes() == images.layers[kind].blob
