"""Content: the walk over an image, and what is refused on the way."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from lading.errors import CorruptError, LimitError, NotFoundError
from lading.oci import document, media_types
from lading.oci.content import (
    FilesContent,
    FirstOf,
    checked,
    children,
    copy_blob,
    read_document,
    walk,
)
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest


class Image:
    """Writes documents into a directory and keeps where they are."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files: dict[Digest, Path] = {}

    def add(self, media_type: str, data: bytes) -> Descriptor:
        descriptor = Descriptor.of(media_type, data)
        path = self.directory / descriptor.digest.hex
        path.write_bytes(data)
        self.files[descriptor.digest] = path
        return descriptor

    def manifest(self, *layers: Descriptor, config: bytes = b"{}") -> Descriptor:
        described = self.add(media_types.CONFIG, config)
        value = {
            "schemaVersion": 2,
            "mediaType": media_types.MANIFEST,
            "config": described.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        return self.add(media_types.MANIFEST, document.dumps(value))

    def index(self, *manifests: Descriptor) -> Descriptor:
        value = {
            "schemaVersion": 2,
            "mediaType": media_types.INDEX,
            "manifests": [manifest.to_json() for manifest in manifests],
        }
        return self.add(media_types.INDEX, document.dumps(value))

    @property
    def content(self) -> FilesContent:
        return FilesContent(self.files)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def test_children_come_before_parents_and_each_digest_once(image: Image) -> None:
    shared = image.add(media_types.LAYER, b"shared")
    own = image.add(media_types.LAYER, b"own")
    first = image.manifest(shared, own)
    second = image.manifest(shared, config=b'{"os":"x"}')
    root = image.index(first, second, first)
    walked = list(walk(image.content, root))
    digests = [descriptor.digest for descriptor, _ in walked]
    assert len(digests) == len(set(digests)) == 7
    assert digests[-1] == root.digest
    assert digests.index(shared.digest) < digests.index(first.digest) < digests.index(root.digest)
    assert {item.media_type for item, data in walked if data is not None} == {
        media_types.MANIFEST,
        media_types.INDEX,
    }


def test_a_missing_manifest_is_named(image: Image) -> None:
    root = image.index(Descriptor.of(media_types.MANIFEST, b"{}"))
    with pytest.raises(NotFoundError, match=str(Digest.of(b"{}"))):
        list(walk(image.content, root))


def test_a_file_that_is_gone_is_named(image: Image) -> None:
    root = image.manifest()
    image.files[root.digest].unlink()
    with pytest.raises(NotFoundError, match="is gone"):
        list(walk(image.content, root))
    assert image.content.path(root) is None


@pytest.mark.parametrize("change", [b"", b"longer than it was", b"{}"])
def test_a_document_that_changed_is_corrupt(image: Image, change: bytes) -> None:
    root = image.manifest()
    image.files[root.digest].write_bytes(change)
    with pytest.raises(CorruptError, match="does not match"):
        read_document(image.content, root)


def test_a_size_that_lies_is_corrupt_even_if_the_digest_is_right(image: Image) -> None:
    root = image.manifest()
    lying = Descriptor(root.media_type, root.digest, root.size + 1)
    with pytest.raises(CorruptError):
        read_document(image.content, lying)


_WHOLE = b"four blocks of it"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("data", [_WHOLE, b""])
def test_content_that_is_as_described_comes_whole(algorithm: str, data: bytes) -> None:
    descriptor = Descriptor(media_types.LAYER, Digest.of(data, algorithm), len(data))
    assert b"".join(checked(io.BytesIO(data), descriptor, what="x", block=5)) == data


_WRONG = {
    "shorter": (_WHOLE[:-1], "the blob has 16 bytes, its descriptor says 17"),
    "empty": (b"", "the blob has 0 bytes, its descriptor says 17"),
    "longer": (_WHOLE + b"!", "the blob has at least 18 bytes, its descriptor says 17"),
    "another": (b"F" + _WHOLE[1:], "the blob is not what its digest says: it is sha256:"),
}


@pytest.mark.parametrize("case", _WRONG)
def test_content_that_is_not_as_described_is_corrupt_and_not_given_whole(case: str) -> None:
    data, message = _WRONG[case]
    blocks: list[bytes] = []
    descriptor = Descriptor.of(media_types.LAYER, _WHOLE)
    with pytest.raises(CorruptError, match=message):
        blocks.extend(checked(io.BytesIO(data), descriptor, what="the blob", block=5))
    given = b"".join(blocks)
    assert len(given) < len(_WHOLE)
    assert data.startswith(given)


def test_a_copy_of_what_is_corrupt_leaves_no_file(image: Image) -> None:
    descriptor = image.add(media_types.LAYER, b"data")
    image.files[descriptor.digest].write_bytes(b"dat4")
    target = image.directory / "copy"
    with pytest.raises(CorruptError, match="the layer is not what its digest says"):
        copy_blob(image.content, descriptor, target, what="the layer", fix="build it again")
    assert not target.exists()


def test_a_document_above_the_cap_is_refused_unread(image: Image) -> None:
    large = Descriptor(media_types.MANIFEST, Digest.of(b""), document.MAX_DOCUMENT_BYTES + 1)
    with pytest.raises(LimitError, match=large.digest.hex):
        list(walk(image.content, large))


def test_the_first_place_that_has_the_content_counts(image: Image, tmp_path: Path) -> None:
    both, second = (image.add(media_types.LAYER, data) for data in (b"both", b"second"))
    copy = tmp_path / "copy"
    copy.write_bytes(b"both")
    content = FirstOf([FilesContent({both.digest: copy}), image.content])
    assert content.path(both) == copy
    assert content.path(second) == image.files[second.digest]
    with content.open(both) as one, content.open(second) as other:
        assert (one.read(), other.read()) == (b"both", b"second")


def test_content_that_no_place_has_is_missing_from_the_first(tmp_path: Path) -> None:
    lost = Descriptor.of(media_types.LAYER, b"lost")
    gone = FilesContent({lost.digest: tmp_path / "gone"})
    assert FirstOf([gone]).path(lost) is None
    with pytest.raises(NotFoundError, match="is gone"):
        FirstOf([gone, FilesContent({})]).open(lost)
    with pytest.raises(NotFoundError, match="is nowhere"):
        FirstOf([]).open(lost)


def test_indexes_in_indexes_have_an_end(image: Image) -> None:
    root = image.manifest()
    for _ in range(8):
        root = image.index(root)
    assert len(list(walk(image.content, root))) == 10
    deeper = image.index(root)
    with pytest.raises(CorruptError, match="deeper than 8"):
        list(walk(image.content, deeper))


def value(**changes: Any) -> bytes:
    config = Descriptor.of(media_types.CONFIG, b"{}").to_json()
    fields = {"schemaVersion": 2, "config": config, "layers": []} | changes
    return document.dumps({key: item for key, item in fields.items() if item is not None})


@pytest.mark.parametrize(
    "data",
    [
        value(manifests=[]),
        value(manifests=[], layers=None),
        value(manifests=[], config=None),
        value(mediaType=media_types.DOCKER_MANIFEST),
        value(layers=None),
        value(layers={}),
        value(layers=[1]),
        value(config=None),
        b"[]",
    ],
)
def test_a_manifest_that_is_ambiguous_or_malformed_is_corrupt(data: bytes) -> None:
    """CVE-2021-41190."""
    with pytest.raises(CorruptError):
        children(media_types.MANIFEST, data, what="m")


def test_a_digest_that_is_none_is_refused() -> None:
    bad = {"mediaType": "x", "digest": "sha256:..", "size": 1}
    with pytest.raises(CorruptError, match=r"m, a layer has 'sha256:\.\.' for a digest"):
        children(media_types.MANIFEST, value(layers=[bad]), what="m")


@pytest.mark.parametrize("data", [b'{"manifests":{}}', b"{}", value()])
def test_an_index_without_a_list_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptError):
        children(media_types.INDEX, data, what="i")


def test_a_config_or_layer_has_no_children_and_is_not_even_read() -> None:
    assert children(media_types.CONFIG, b"\xff", what="c") == []
    assert children(media_types.LAYER_GZIP, b"\xff", what="l") == []
