"""Which image of an index is meant, and whether its documents agree (S1.1, S1.2)."""

from __future__ import annotations

import pytest

from lading.errors import CorruptError, NotFoundError
from lading.oci.descriptor import Descriptor
from lading.oci.platform import Platform
from lading.record import replace
from lading.store import image as images
from tests.unit.store import tiny

ARM64 = Platform("linux", "arm64", "v8")


def _index(content: tiny.MemoryContent, *platforms: Platform, described: bool = True) -> Descriptor:
    manifests = [
        tiny.image(content, [tiny.layer({"who": str(item).encode()})], item) for item in platforms
    ]
    return tiny.index(
        content,
        [
            replace(manifest, platform=platform if described else None)
            for manifest, platform in zip(manifests, platforms, strict=True)
        ],
    )


@pytest.mark.parametrize("described", [True, False])
def test_the_image_for_the_platform_is_chosen_from_an_index(described: bool) -> None:
    content = tiny.MemoryContent()
    root = _index(content, tiny.AMD64, ARM64, described=described)
    assert images.read(content, root, Platform("linux", "arm64")).platform == ARM64
    assert images.read(content, root, tiny.AMD64).platform == tiny.AMD64


def test_a_nested_index_is_searched_and_attestations_are_not_images() -> None:
    content = tiny.MemoryContent()
    inner = _index(content, ARM64)
    attestation = tiny.image(content, [], Platform("unknown", "unknown"))
    root = tiny.index(
        content, [replace(attestation, platform=Platform("unknown", "unknown")), inner]
    )
    assert images.read(content, root).platform == ARM64


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("linux/arm/v7", "linux/arm/v6"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/v8", "linux/arm/v6"),
    ],
)
def test_an_older_variant_runs_on_a_newer_machine(machine: str, expected: str) -> None:
    content = tiny.MemoryContent()
    root = _index(content, Platform("linux", "arm", "v5"), Platform("linux", "arm", "v6"))
    assert str(images.read(content, root, Platform.parse(machine)).platform) == expected


def test_a_newer_variant_does_not_run_on_an_older_machine() -> None:
    content = tiny.MemoryContent()
    root = _index(content, Platform("linux", "amd64", "v3"))
    with pytest.raises(NotFoundError, match=r"no image for linux/amd64: it holds linux/amd64/v3"):
        images.read(content, root, tiny.AMD64)
    assert images.read(content, root, Platform("linux", "amd64", "v4")).platform.variant == "v3"


def test_a_single_image_for_another_platform_is_refused_by_its_config() -> None:
    content = tiny.MemoryContent()
    root = tiny.image(content, [], ARM64)
    with pytest.raises(NotFoundError, match="it holds linux/arm64/v8"):
        images.read(content, root, tiny.AMD64)


def test_a_descriptor_that_lies_about_the_platform_is_found_out() -> None:
    content = tiny.MemoryContent()
    manifest = tiny.image(content, [], ARM64)
    root = tiny.index(content, [replace(manifest, platform=tiny.AMD64)])
    with pytest.raises(NotFoundError, match="it holds linux/arm64/v8"):
        images.read(content, root, tiny.AMD64)


def test_without_a_platform_an_index_of_several_is_ambiguous() -> None:
    content = tiny.MemoryContent()
    with pytest.raises(NotFoundError, match="holds 2 images: linux/amd64, linux/arm64/v8"):
        images.read(content, _index(content, tiny.AMD64, ARM64))


def test_layers_and_diff_ids_have_to_be_as_many() -> None:
    content = tiny.MemoryContent()
    root = tiny.image(content, [tiny.layer({"a": b""})], rootfs={"type": "layers", "diff_ids": []})
    with pytest.raises(CorruptError, match="1 layers"):
        images.read(content, root)


def test_a_diff_id_that_is_no_digest_is_corrupt() -> None:
    content = tiny.MemoryContent()
    rootfs = {"type": "layers", "diff_ids": ["sha256:0"]}
    root = tiny.image(content, [tiny.layer({"a": b""})], rootfs=rootfs)
    with pytest.raises(CorruptError, match="diff_ids has 'sha256:0' for a digest"):
        images.read(content, root)


def test_a_changed_config_is_corrupt() -> None:
    content = tiny.MemoryContent()
    root = tiny.image(content, [])
    config = images.read(content, root).config
    content.blobs[config.digest] = content.blobs[config.digest].replace(b"linux", b"Linux")
    with pytest.raises(CorruptError, match=config.digest.hex):
        images.read(content, root)


def test_something_that_is_no_image_is_refused() -> None:
    content = tiny.MemoryContent()
    with pytest.raises(CorruptError, match=r"is no image: its media type is text/plain"):
        images.read(content, content.add("text/plain", b"hello"))
