"""No false alarms: what other tools write, and the specification allows."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.oci.verify_rules import Finding
from lading.record import replace
from lading.store import layouts
from lading.verify.place import Options, Report, verify_archive, verify_directory
from tests.unit.store import tiny
from tests.unit.verify.seeds import Spoilt

#: What a signature of cosign and an attestation of BuildKit have for a config and a layer.
_COSIGN: tuple[dict[str, Any], str] = (
    {"architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {}},
    "application/vnd.dev.cosign.simplesigning.v1+json",
)
_BUILDKIT: tuple[dict[str, Any], str] = (
    {"architecture": "unknown", "os": "unknown", "config": {}},
    "application/vnd.in-toto+json",
)


def _statement(
    content: tiny.MemoryContent, config: dict[str, Any], layer_type: str, layer: bytes = b'{"a": 1}'
) -> Descriptor:
    described = content.add(layer_type, layer)
    rootfs = {"type": "layers", "diff_ids": [str(described.digest)]}
    config_bytes = document.dumps({**config, "rootfs": rootfs})
    return content.add(
        media_types.MANIFEST,
        document.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media_types.MANIFEST,
                "config": content.add(media_types.CONFIG, config_bytes).to_json(),
                "layers": [described.to_json()],
            }
        ),
    )


def _verified(tmp_path: Path, content: tiny.MemoryContent, *roots: Descriptor) -> Report:
    for root in roots:
        layouts.write(tmp_path / "layout", root, content, [root.digest.hex[:8]])
    return verify_directory(tmp_path / "layout", Options(platform=tiny.AMD64))


@pytest.mark.parametrize("kind", [_COSIGN, _BUILDKIT], ids=["cosign", "BuildKit"])
def test_a_statement_about_an_image(tmp_path: Path, kind: tuple[dict[str, Any], str]) -> None:
    content = tiny.MemoryContent()
    image = replace(tiny.image(content, [tiny.layer({"a": b"a"})]), platform=tiny.AMD64)
    statement = _statement(content, *kind)
    unknown = replace(statement, platform=Platform("unknown", "unknown"))
    report = _verified(tmp_path, content, tiny.index(content, [image, unknown]), statement)
    assert report.findings == ()
    assert report.counts.images == 1


def test_a_statement_is_what_its_digest_says(tmp_path: Path) -> None:
    content = tiny.MemoryContent()
    root = _statement(content, *_COSIGN)
    layouts.write(tmp_path / "layout", root, content, ["v1"])
    layer = json.loads(content.blobs[root.digest])["layers"][0]["digest"]
    (tmp_path / "layout/blobs/sha256" / layer.partition(":")[2]).write_bytes(b'{"a": 2}')
    findings = verify_directory(tmp_path / "layout", Options()).findings
    assert _rules(findings) == {"blob-digest"}


def test_what_has_a_layer_to_run_is_for_a_platform(tmp_path: Path) -> None:
    content = tiny.MemoryContent()
    layer = tiny.layer({"a": b"a"})
    root = tiny.image(content, [layer], os="", architecture="")
    assert _rules(_verified(tmp_path, content, root).findings) == {"config-platform"}


def test_a_layer_that_may_not_be_distributed_need_not_be_there(tmp_path: Path) -> None:
    spoilt = Spoilt(tmp_path / "layout")
    kind = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    where = {"mediaType": kind, "urls": ["https://example.com/layer"]}
    spoilt.change_manifest(lambda value: value["layers"][0].update(where))
    spoilt.blob(spoilt.manifest["layers"][0]["digest"]).unlink()
    findings = verify_directory(spoilt.directory, Options()).findings
    assert _rules(findings) == {"descriptor-urls"}
    spoilt.change_manifest(lambda value: value["layers"][0].pop("urls"))
    findings = verify_directory(spoilt.directory, Options()).findings
    assert _rules(findings) == {"blob-missing"}


def test_an_image_for_readers_of_zstd_besides_that_for_others(tmp_path: Path) -> None:
    content = tiny.MemoryContent()
    images = [
        replace(tiny.image(content, [tiny.layer({"a": b"a"}, kind)]), platform=tiny.AMD64)
        for kind in ("gzip", "zstd")
    ]
    marked = replace(images[1], annotations={"io.github.containers.compression.zstd": "true"})
    root = tiny.index(content, [images[0], marked])
    assert _verified(tmp_path / "marked", content, root).findings == ()
    root = tiny.index(content, images)
    assert _rules(_verified(tmp_path, content, root).findings) == {"platform-duplicate"}


def _docker_archive(path: Path, *images: list[tiny.Layer]) -> Path:
    """As `docker save` writes it, without an index."""
    files: dict[str, bytes] = {}
    entries: list[dict[str, Any]] = []
    for layers in images:
        content = tiny.MemoryContent()
        root = json.loads(content.blobs[tiny.image(content, layers).digest])
        config = content.blobs[Digest.parse(root["config"]["digest"])]
        name = f"{Digest.of(config).hex}.json"
        names = [f"{Digest.of(layer.blob).hex}/layer.tar" for layer in layers]
        files |= {name: config, **dict(zip(names, (one.blob for one in layers), strict=True))}
        entries.append({"Config": name, "RepoTags": [f"a:v{len(entries)}"], "Layers": names})
    files["manifest.json"] = json.dumps(entries).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("kind", ["none", "gzip"])
def test_an_archive_for_docker_with_several_images(tmp_path: Path, kind: str) -> None:
    shared, own = tiny.layer({"a": b"a"}, kind), tiny.layer({"b": b"b"}, kind)
    report = verify_archive(
        _docker_archive(tmp_path / "two.tar", [shared], [shared, own]), Options()
    )
    assert report.findings == ()
    assert (report.counts.images, report.counts.layers) == (2, 2)
    wrong = dataclasses.replace(own, diff_id=shared.diff_id)
    report = verify_archive(_docker_archive(tmp_path / "x.tar", [shared], [wrong]), Options())
    assert _rules(report.findings) & {"diff-id", "blob-size", "blob-digest", "docker-manifest"}


def _rules(findings: tuple[Finding, ...]) -> set[str]:
    return {item.rule for item in findings} - {"layout-unreferenced"}
