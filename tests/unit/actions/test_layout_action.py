"""The ImageLayout action: layouts, tarballs and docker archives."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from lading.errors import CorruptError, InputError, NotFoundError, StorageError
from tests.unit.actions.bench import Bench

LAYERS = ["shared", "own"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    layers = [
        f"--layer={bench.layer('shared', {'etc/x': b'1' * 5000})}",
        f"--layer={bench.layer('own', {'app': os.urandom(3 << 20)})}",
    ]
    for architecture in ("amd64", "arm64"):
        platform = {"os": "linux", "architecture": architecture}
        bench.manifest(architecture, {"platform": platform}, *layers)
    bench.index("all", ["amd64", "arm64"])
    return bench


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_layout_holds_every_blob_under_its_digest_and_nothing_else(bench: Bench) -> None:
    output = bench.layout("image.oci", "all", ["amd64", "arm64", "all"], LAYERS)
    found = files(output)
    assert json.loads(found.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(found.pop("index.json"))
    assert index["manifests"] == [bench.json("all.descriptor.json")]
    for name, data in found.items():
        assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    assert len(found) == 1 + 2 * 2 + 2


def test_blobs_are_real_files_of_their_own(bench: Bench) -> None:
    """Recent registry clients refuse links; a hard link would change an input's ctime."""
    for layer in LAYERS:
        blob = bench.directory / f"{layer}.tar.gz"
        blob.rename(bench.directory / f"{layer}.real")
        blob.symlink_to(f"{layer}.real")
    output = bench.layout("image.oci", "amd64", ["amd64"], LAYERS)
    for path in (output / "blobs/sha256").iterdir():
        assert not path.is_symlink()
        assert path.stat().st_nlink == 1


def test_the_descriptor_in_the_layout_has_the_platform(bench: Bench) -> None:
    output = bench.layout("image.oci", "amd64", ["amd64"], LAYERS)
    (described,) = json.loads((output / "index.json").read_bytes())["manifests"]
    assert described["platform"] == {"architecture": "amd64", "os": "linux"}


def test_a_directory_that_bazel_made_is_filled(bench: Bench) -> None:
    (bench.directory / "image.oci").mkdir()
    output = bench.layout("image.oci", "amd64", ["amd64"], LAYERS)
    assert (output / "oci-layout").exists()


def test_inputs_the_image_does_not_use_are_left_out(bench: Bench) -> None:
    bench.layer("unused", {"x": b"y"})
    output = bench.layout("image.oci", "amd64", ["amd64", "arm64"], [*LAYERS, "unused"])
    assert len(list((output / "blobs/sha256").iterdir())) == 4


def test_the_oci_tarball_is_the_layout_in_a_tar(bench: Bench) -> None:
    names = ["amd64", "arm64", "all"]
    directory = bench.layout("image.oci", "all", names, LAYERS)
    tar = bench.layout("image.tar", "all", names, LAYERS, "--format=oci_tarball")
    with tarfile.open(tar) as archive:
        members = archive.getmembers()
        found = {}
        for member in members:
            stream = archive.extractfile(member)
            assert stream is not None
            found[member.name] = stream.read()
    assert found == files(directory)
    assert len(found) == len(members)
    assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {
        (0, 0, 0, "")
    }


def test_a_docker_archive_names_its_image(bench: Bench) -> None:
    tar = bench.layout(
        "image.tar", "amd64", ["amd64"], LAYERS, "--format=docker_archive", "--name=app:1"
    )
    with tarfile.open(tar) as archive:
        stream = archive.extractfile("manifest.json")
        assert stream is not None
        (entry,) = json.load(stream)
        names = archive.getnames()
    assert entry["RepoTags"] == ["app:1"]
    assert set(entry["Layers"]) | {entry["Config"]} <= set(names)


def test_a_docker_archive_of_two_images_is_refused(bench: Bench) -> None:
    with pytest.raises(InputError, match="lists 2"):
        bench.layout(
            "image.tar", "all", ["amd64", "arm64", "all"], LAYERS, "--format=docker_archive"
        )


@pytest.mark.parametrize(
    ("platform", "for_docker"), [("linux/arm64", "arm64"), ("linux/riscv64", "")]
)
def test_an_archive_of_an_index_has_all_images_and_docker_its_own(
    bench: Bench, platform: str, for_docker: str
) -> None:
    names = ["registry.test/app:1", "app:2"]
    flags = ["--format=docker_archive", f"--platform={platform}"]
    flags += [f"--name={name}" for name in names]
    tar = bench.layout("image.tar", "all", ["amd64", "arm64", "all"], LAYERS, *flags)
    with tarfile.open(tar) as archive:
        found = {item.name: archive.extractfile(item).read() for item in archive}  # type: ignore[union-attr]
    root = bench.json("all.descriptor.json")
    assert json.loads(found.pop("index.json"))["manifests"] == [
        {
            **root,
            "annotations": {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": tag,
            },
        }
        for name, tag in zip(names, ["1", "2"], strict=True)
    ]
    entries = json.loads(found.pop("manifest.json", b"[]"))
    configs = [bench.json(f"{for_docker}.manifest.json")["config"]["digest"]] if for_docker else []
    assert [entry["Config"] for entry in entries] == [
        f"blobs/{digest.replace(':', '/')}" for digest in configs
    ]
    assert [entry["RepoTags"] for entry in entries] == [names for _ in configs]
    assert len(found) == 1 + 1 + 2 * 2 + 2


@pytest.mark.parametrize("kind", ["oci_layout", "oci_tarball", "docker_archive"])
def test_the_same_image_gives_the_same_bytes(bench: Bench, kind: str) -> None:
    arguments = ("amd64", ["amd64"], LAYERS, f"--format={kind}")
    one, two = bench.layout("one", *arguments), bench.layout("two", *arguments)
    if one.is_dir():
        assert files(one) == files(two)
    else:
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("kind", ["oci_layout", "oci_tarball", "docker_archive"])
@pytest.mark.parametrize("change", ["flipped", "shorter", "longer"])
def test_a_blob_that_is_not_what_its_metadata_says_is_refused(
    bench: Bench, kind: str, change: str
) -> None:
    blob = bench.directory / "own.tar.gz"
    data = blob.read_bytes()
    blob.write_bytes(
        {
            "flipped": data[:-1] + bytes([data[-1] ^ 1]),
            "shorter": data[:-1],
            "longer": data + b"\0",
        }[change]
    )
    with pytest.raises(CorruptError, match=bench.json("own.metadata.json")["digest"]):
        bench.layout("out", "amd64", ["amd64"], LAYERS, f"--format={kind}")
    if kind == "oci_layout":
        assert not (bench.directory / "out" / "oci-layout").exists()


@pytest.mark.parametrize("kind", ["oci_layout", "oci_tarball", "docker_archive"])
def test_a_missing_layer_is_named(bench: Bench, kind: str) -> None:
    with pytest.raises(NotFoundError, match=bench.json("own.metadata.json")["digest"]):
        bench.layout("out", "amd64", ["amd64"], ["shared"], f"--format={kind}")


def test_a_missing_manifest_is_named(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match=(bench.directory / "arm64.digest").read_text()):
        bench.layout("out", "all", ["amd64", "all"], LAYERS)


def test_an_output_that_cannot_be_written_is_named(bench: Bench) -> None:
    with pytest.raises(StorageError, match="out cannot be written"):
        bench.layout("missing/out", "amd64", ["amd64"], LAYERS, "--format=oci_tarball")


def test_an_unknown_format_lists_the_known_ones(bench: Bench) -> None:
    with pytest.raises(InputError, match="oci_layout, oci_tarball, docker_archive"):
        bench.layout("out", "amd64", ["amd64"], LAYERS, "--format=tar")
