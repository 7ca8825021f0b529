"""The ImageImport action: layouts and archives of others as bases."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.actions import import_image, layout, worker
from lading.errors import CorruptError, InputError, LadingError
from lading.oci import document, media_types
from lading.oci.digest import Digest
from tests.registry_server import images

Import = Callable[..., dict[str, Any]]


def _write_layout(directory: Path, *roots: images.Image, tags: tuple[str, ...] = ()) -> Path:
    """A layout as rules_oci leaves it: no schemaVersion, no platform, blobs behind links."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)
    elsewhere = directory.parent / f"{directory.name}.elsewhere"
    elsewhere.mkdir()
    for root in roots:
        for digest, data in root.content.blobs.items():
            (elsewhere / digest.hex).write_bytes(data)
            if not (blobs / digest.hex).is_symlink():
                (blobs / digest.hex).symlink_to(elsewhere / digest.hex)
    listed = [{**root.root.to_json()} for root in roots]
    for item, tag in zip(listed, tags, strict=False):
        item["annotations"] = {"org.opencontainers.image.ref.name": tag}
    for item in listed:
        item.pop("platform", None)
    (directory / "index.json").write_text(json.dumps({"manifests": listed}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return directory


@pytest.fixture
def import_(tmp_path: Path) -> Import:
    def run(*arguments: str, platform: str = "linux/amd64") -> dict[str, Any]:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        import_image.run(
            worker.Request(
                [
                    *arguments,
                    f"--platform={platform}",
                    "--label=//a:base",
                    *(f"--{name}={out / name}" for name in import_image._OUTPUTS),
                ]
            )
        )
        manifest = (out / "manifest").read_bytes()
        assert (out / "digest").read_text() == str(Digest.of(manifest))
        value: dict[str, Any] = json.loads(manifest)
        assert value["config"]["digest"] == str(Digest.of((out / "config").read_bytes()))
        described = json.loads((out / "descriptor").read_bytes())
        assert described["digest"] == str(Digest.of(manifest))
        assert described["platform"]["architecture"] == platform.split("/")[1]
        return value

    return run


def test_a_layout_as_rules_oci_writes_it(import_: Import, tmp_path: Path) -> None:
    image = images.manifest(10, 20)
    directory = _write_layout(tmp_path / "layout", image)
    value = import_(f"--directory={directory}")
    assert document.dumps(value) == image.content.blobs[image.root.digest]
    assert not (tmp_path / "out/layers").exists()


def test_of_an_index_the_image_for_the_platform_is_taken(import_: Import, tmp_path: Path) -> None:
    both = [images.manifest(10, platform=f"linux/{name}") for name in ("amd64", "arm64")]
    directory = _write_layout(tmp_path / "layout", images.index(both))
    for image, name in zip(both, ("amd64", "arm64"), strict=True):
        value = import_(f"--directory={directory}", platform=f"linux/{name}")
        assert str(Digest.of(document.dumps(value))) == str(image.root.digest)


def test_another_platform_is_refused_with_what_there_is(import_: Import, tmp_path: Path) -> None:
    directory = _write_layout(tmp_path / "layout", images.manifest(10, platform="linux/arm64"))
    with pytest.raises(InputError, match=r"//a:base: no image for linux/amd64: .*linux/arm64"):
        import_(f"--directory={directory}")


def test_of_several_images_a_tag_chooses_one(import_: Import, tmp_path: Path) -> None:
    one, other = images.manifest(10, seed="one"), images.manifest(10, seed="other")
    directory = _write_layout(tmp_path / "layout", one, other, tags=("1", "2"))
    with pytest.raises(InputError, match="several images for linux/amd64: 1, 2"):
        import_(f"--directory={directory}")
    value = import_(f"--directory={directory}", "--ref=2")
    assert str(Digest.of(document.dumps(value))) == str(other.root.digest)


@pytest.mark.parametrize("form", ["oci_tarball", "docker_archive"])
def test_an_archive_brings_its_layers(import_: Import, tmp_path: Path, form: str) -> None:
    image = images.manifest(10, 20, directory=tmp_path)
    descriptor = tmp_path / "descriptor.json"
    descriptor.write_text(json.dumps(image.root.to_json()))
    source = _write_layout(tmp_path / "layout", image)
    archive = tmp_path / "image.tar"
    layout.run(
        worker.Request(
            [
                f"--format={form}",
                f"--output={archive}",
                f"--descriptor={descriptor}",
                f"--layout={source}",
            ]
        )
    )
    link = tmp_path / "link.tar"  # as a sandbox shows it
    link.symlink_to(archive)
    value = import_(f"--archive={link}", f"--layout={tmp_path / 'out/layers'}")
    for item in value["layers"]:
        data = (tmp_path / "out/layers/blobs/sha256" / item["digest"][7:]).read_bytes()
        assert str(Digest.of(data)) == item["digest"]
        assert len(data) == item["size"]


def _tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_tar({"etc/passwd": b"root"}), id="a tar, but no image"),
        pytest.param(_tar({"manifest.json": b"[]"}), id="of no image"),
        pytest.param(b"", id="empty"),
        pytest.param(_tar({"manifest.json": b"[{}]"})[:600], id="cut off"),
    ],
)
def test_what_is_no_image_is_refused(import_: Import, tmp_path: Path, data: bytes) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(data)
    with pytest.raises(LadingError, match=r"image\.tar"):
        import_(f"--archive={archive}")


def test_a_blob_that_is_missing_is_named(import_: Import, tmp_path: Path) -> None:
    image = images.manifest(10)
    directory = _write_layout(tmp_path / "layout", image)
    (directory / "blobs/sha256" / image.root.digest.hex).unlink()
    with pytest.raises((CorruptError, InputError), match=image.root.digest.hex):
        import_(f"--directory={directory}")


def test_the_media_type_says_what_a_document_is(import_: Import, tmp_path: Path) -> None:
    image = images.manifest(10)
    index = images.index([image])
    index.root = type(index.root)(media_types.MANIFEST, index.root.digest, index.root.size)
    directory = _write_layout(tmp_path / "layout", index)
    with pytest.raises(CorruptError):
        import_(f"--directory={directory}")
