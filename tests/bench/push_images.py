"""Images to push in benchmarks: OCI image layouts with real layers that do not compress."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest

__all__ = ["Image", "make", "spec"]

MIB = 1 << 20


@dataclass(frozen=True)
class Image:
    """A layout directory with one image, tagged `latest`."""

    directory: Path
    root: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]


def make(directory: Path, layers: Sequence[tuple[str, int]]) -> Image:
    """Writes a layout; each layer is a name, which decides its content, and a size in bytes."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    descriptors, diff_ids = [], []
    for name, size in layers:
        archive = _tar(name, size)
        diff_ids.append(str(Digest.of(archive)))
        packed = gzip.compress(archive, 0, mtime=0)
        descriptors.append(_write(blobs, media_types.LAYER_GZIP, packed))
    config = _write(
        blobs,
        media_types.CONFIG,
        document.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Labels": {"name": directory.name}},
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
                "history": [{"created_by": name} for name, _ in layers],
            }
        ),
    )
    root = _write(
        blobs,
        media_types.MANIFEST,
        document.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media_types.MANIFEST,
                "config": config.to_json(),
                "layers": [layer.to_json() for layer in descriptors],
            }
        ),
    )
    tagged = {**root.to_json(), "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    index = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": [tagged]}
    (directory / "index.json").write_text(json.dumps(index))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return Image(directory, root, config, tuple(descriptors))


def spec(images: Sequence[tuple[Image, str, str]], directory: Path, *, many: bool) -> list[str]:
    """A deploy specification of pushes, as the rules write it, and the flags that name it.

    Args:
        images: each with registry and repository.
        directory: below which all layouts are; metadata and the specification go there.
        many: write that of a `multi_deploy`; otherwise there is one image.
    """
    operations = [
        {
            "kind": "push",
            "label": f"//bench:{repository}",
            "image": _image(image, directory),
            "registry": registry,
            "repository": repository,
            "tags": ["latest"],
        }
        for image, registry, repository in images
    ]
    value: dict[str, object] = {"version": 1}
    value |= {"operations": operations} if many else operations[0]
    path = directory / "spec.json"
    path.write_text(json.dumps(value))
    return [f"--spec={path}", f"--runfiles={directory}"]


def _image(image: Image, directory: Path) -> dict[str, object]:
    for descriptor in (image.root, *image.layers):
        path = directory / _metadata(image, descriptor, directory)
        path.write_text(json.dumps(descriptor.to_json()))
    return {
        "descriptor": _metadata(image, image.root, directory),
        "manifest": _blob(image, image.root, directory),
        "config": _blob(image, image.config, directory),
        "layers": [
            {
                "blob": _blob(image, layer, directory),
                "metadata": _metadata(image, layer, directory),
            }
            for layer in image.layers
        ],
        "sources": [],
    }


def _blob(image: Image, descriptor: Descriptor, directory: Path) -> str:
    path = image.directory / "blobs" / "sha256" / descriptor.digest.hex
    return str(path.relative_to(directory))


def _metadata(image: Image, descriptor: Descriptor, directory: Path) -> str:
    path = image.directory / f"{descriptor.digest.hex[:12]}.json"
    return str(path.relative_to(directory))


def _tar(name: str, size: int) -> bytes:
    content = random.Random(name).randbytes(size)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(f"srv/{name}")
        member.size = size
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _write(blobs: Path, media_type: str, data: bytes) -> Descriptor:
    descriptor = Descriptor.of(media_type, data)
    (blobs / descriptor.digest.hex).write_bytes(data)
    return descriptor
