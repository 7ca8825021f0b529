"""The archive stream: a docker-archive and an OCI layout at once, verified while it passes."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import CorruptError, NotFoundError
from lading.oci import layout, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.store import image as images
from lading.store import tarball, tarscan
from tests.unit.store import tiny


def _image(*, twice: bool = False) -> tuple[tiny.MemoryContent, images.Image]:
    content = tiny.MemoryContent()
    layers = [tiny.layer({"a": b"a" * 5000}, "none"), tiny.layer({"b": b"b"})]
    root = tiny.image(content, layers + layers[:1] if twice else layers)
    return content, images.read(content, root)


def _members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        infos = tar.getmembers()
        assert len({item.name for item in infos}) == len(infos)
        return {item.name: tar.extractfile(item).read() for item in infos}  # type: ignore[union-attr]


def test_the_tar_is_a_docker_archive_and_an_oci_layout_over_the_same_blobs() -> None:
    content, image = _image()
    data = b"".join(
        tarball.stream(tarball.members(image, ["app:dev"], {layout.REF_NAME: "dev"}), content)
    )
    files = _members(data)
    [docker] = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == ["app:dev"]
    assert Digest.of(files[docker["Config"]]) == image.config.digest
    assert [Digest.of(files[name]) for name in docker["Layers"]] == [
        item.digest for item in image.layers
    ]
    layout.check_marker(files["oci-layout"], what="marker")
    found = layout.LayoutIndex.parse(files["index.json"], what="index").find("dev")
    assert (found.digest, found.platform) == (image.manifest.digest, tiny.AMD64)
    assert files[layout.blob_name(found.digest)] == image.manifest_bytes
    assert data.endswith(bytes(1024))


def test_equal_images_give_equal_bytes() -> None:
    first, second = (
        b"".join(tarball.stream(tarball.members(image, ["a:b"]), content))
        for content, image in (_image(), _image())
    )
    assert first == second


def test_a_layer_that_occurs_twice_is_there_once() -> None:
    content, image = _image(twice=True)
    files = _members(b"".join(tarball.stream(tarball.members(image, []), content)))
    [docker] = json.loads(files["manifest.json"])
    assert len(docker["Layers"]) == 3
    assert len(files) == 5 + 2


@given(st.lists(st.sampled_from([0, 1, 511, 4095, 4096, 5000, 70_000, 9 << 30]), max_size=12))
def test_layers_of_any_size_begin_where_bytes_can_be_shared(sizes: list[int]) -> None:
    """Also those of more than 8 GiB, whose size needs an extended header by itself."""
    files = [tarball.Member("index.json", 3, data=b"abc")]
    for number, size in enumerate(sizes):
        digest = Digest("sha256", f"{number:064x}")
        layer = Descriptor(media_types.LAYER, digest, size)
        files.append(tarball.Member(layout.blob_name(digest), size, source=layer))
    places = tarball.placed(files)
    with tempfile.TemporaryFile() as file:
        for place in places:
            os.pwrite(file.fileno(), place.head, place.at)
        os.truncate(file.fileno(), tarball.end_of(places))
        found = tarscan.scan(file.fileno(), what="it")
    assert {name: (one.offset, one.size) for name, one in found.items()} == {
        place.member.name: (place.data_at, place.member.size) for place in places
    }
    for place in places:
        if place.member.size >= tarball.ALIGNMENT:
            assert place.data_at % tarball.ALIGNMENT == 0
        assert len(place.head) <= tarball.ALIGNMENT + 1536


@pytest.mark.parametrize("change", [b"x", b"", b"longer"])
def test_a_wrong_blob_never_gives_a_complete_archive(change: bytes) -> None:
    content, image = _image()
    last = image.layers[-1].digest
    good = content.blobs[last]
    content.blobs[last] = {b"x": b"x" * len(good), b"": good[:-1], b"longer": good + b"!"}[change]
    received: list[bytes] = []
    with pytest.raises(CorruptError, match=last.hex):
        received.extend(tarball.stream(tarball.members(image, []), content))
    with pytest.raises(tarfile.TarError):
        _members(b"".join(received))


def test_a_missing_blob_is_named() -> None:
    content, image = _image()
    del content.blobs[image.layers[0].digest]
    with pytest.raises(NotFoundError, match=image.layers[0].digest.hex):
        list(tarball.stream(tarball.members(image, []), content))


def test_docker_members_leave_out_what_the_daemon_has() -> None:
    content, image = _image()
    files = tarball.docker_members(image, {image.layers[0].digest})
    got = _members(b"".join(tarball.stream(files, content)))
    [docker] = json.loads(got["manifest.json"])
    assert docker["RepoTags"] == []
    assert docker["Layers"][0] not in got
    assert docker["Layers"][1] in got


def test_a_file_over_8_gib_has_a_header_that_says_so() -> None:
    member = tarball.Member("big", 9 * 2**30, data=b"")
    header = next(iter(tarball.stream([member], tiny.MemoryContent())))
    with tarfile.open(fileobj=io.BytesIO(header + bytes(1024))) as tar:
        info = tar.next()
    assert info is not None
    assert info.size == 9 * 2**30
