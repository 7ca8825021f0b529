"""SOCI indexes in image indexes, and in what is made of those."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from lading.oci import parts
from lading.oci.platform import Platform
from lading.store import image
from lading.store.layout_directory import Layout
from lading.verify.place import Options, verify_archive, verify_directory
from tests.unit.actions.bench import Bench

_NAMES = ["arm64", "amd64"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    # The layout action takes the zTOC for one more layer.
    descriptor = parts.describe("application/octet-stream", b"what is in a layer")
    bench.put("ztoc.tar.gz", b"what is in a layer")
    bench.put("ztoc.metadata.json", descriptor)
    for name in _NAMES:
        layer = f"--layer={bench.layer(name, {'app': name.encode()})}"
        platform = {"os": "linux", "architecture": name}
        ztoc = bench.flag("ztoc", descriptor)
        bench.manifest(name, {"platform": platform}, layer, ztoc)
    return bench


def _index(bench: Bench, names: list[str]) -> list[dict[str, object]]:
    prefixes = [bench.directory / name for name in names]
    pairs = [f"{one}.soci.descriptor.json\t{one}.descriptor.json" for one in prefixes]
    index = bench.index("all", names, *[f"--soci={pair}" for pair in pairs])
    manifests: list[dict[str, object]] = index["manifests"]
    return manifests


def test_they_are_listed_behind_the_images(bench: Bench) -> None:
    listed = _index(bench, _NAMES)
    images = [bench.json(f"{name}.descriptor.json") for name in _NAMES]
    assert listed[:2] == images
    # As `soci convert` lists them.
    assert listed[2:] == [
        bench.json(f"{name}.soci.descriptor.json")
        | {
            "annotations": {"com.amazon.soci.image-manifest-digest": image["digest"]},
            "platform": {"architecture": name, "os": "linux"},
        }
        for name, image in zip(_NAMES, images, strict=True)
    ]


@pytest.mark.parametrize("names", [_NAMES, ["amd64"]])
def test_they_are_in_layouts_and_archives_and_verified(bench: Bench, names: list[str]) -> None:
    _index(bench, names)
    inputs = ["all", *names], [*names, "ztoc"]
    layout = bench.layout("all.oci", "all", *inputs)
    report = verify_directory(layout, Options())
    assert (report.findings, report.counts.images) == ((), len(names))
    archive = bench.layout("all.tar", "all", *inputs, "--format=oci_tarball")
    report = verify_archive(archive, Options())
    assert (report.findings, report.counts.images) == ((), len(names))
    ztocs = bench.json("amd64.soci.manifest.json")["layers"]
    for ztoc in ztocs:
        assert (layout / "blobs" / ztoc["digest"].replace(":", "/")).exists()


def test_they_are_never_taken_for_an_image(bench: Bench) -> None:
    _index(bench, _NAMES)
    content = Layout(bench.layout("all.oci", "all", ["all", *_NAMES], [*_NAMES, "ztoc"]))
    (root,) = content.index().manifests
    for name in _NAMES:
        found = image.read(content, root, Platform("linux", name))
        assert str(found.manifest.digest) == bench.json(f"{name}.descriptor.json")["digest"]


def test_an_index_of_one_image_is_still_one_image(bench: Bench) -> None:
    _index(bench, ["amd64"])
    path = bench.layout(
        "image.tar", "all", ["all", "amd64"], ["amd64", "ztoc"], "--format=docker_archive"
    )
    with tarfile.open(path) as archive:
        listed = archive.extractfile("manifest.json")
        assert listed is not None
        assert len(json.load(listed)) == 1
