"""The LayerDescribe action: archives of other rules as layers, byte for byte."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import tarfile
from pathlib import Path

import pytest
import zstandard

from lading.actions import describe, worker
from lading.errors import CorruptError, InputError, LadingError


def _tar(*names: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 5
            archive.addfile(info, io.BytesIO(b"hello"))
    return stream.getvalue()


TAR = _tar("etc/hello")
FORMS = {
    "application/vnd.oci.image.layer.v1.tar": TAR,
    "application/vnd.oci.image.layer.v1.tar+gzip": gzip.compress(TAR, mtime=0),
    "application/vnd.oci.image.layer.v1.tar+zstd": zstandard.compress(TAR),
}


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("media_type", FORMS)
def test_an_archive_is_described_as_it_is(tmp_path: Path, media_type: str) -> None:
    blob, metadata = tmp_path / "layer", tmp_path / "metadata.json"
    blob.write_bytes(FORMS[media_type])
    describe.run(worker.Request([f"--blob={blob}", f"--metadata={metadata}"]))
    value = json.loads(metadata.read_bytes())
    assert value.pop("history")["created_by"] == "lading image_layer"
    assert value == {
        "mediaType": media_type,
        "digest": _sha256(FORMS[media_type]),
        "size": len(FORMS[media_type]),
        "diff_id": _sha256(TAR),
        "uncompressed_size": len(TAR),
        "annotations": {},
    }


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(lzma.compress(TAR), InputError, id="a compression that layers do not have"),
        pytest.param(gzip.compress(TAR)[:-4], CorruptError, id="cut off"),
        pytest.param(gzip.compress(TAR) + b"more", CorruptError, id="followed by something"),
        pytest.param(TAR[:700], LadingError, id="cut off at a header"),
        pytest.param(b"no archive at all" * 100, LadingError, id="no archive"),
        pytest.param(_tar("a", "a"), InputError, id="a path twice"),
        pytest.param(_tar("a/../../b"), InputError, id="a path that leads out"),
    ],
)
def test_a_faulty_archive_is_refused(tmp_path: Path, data: bytes, error: type[LadingError]) -> None:
    blob, metadata = tmp_path / "layer", tmp_path / "metadata.json"
    blob.write_bytes(data)
    with pytest.raises(error) as caught:
        describe.run(worker.Request([f"--blob={blob}", f"--metadata={metadata}"]))
    assert str(blob) in str(caught.value)
    assert not metadata.exists()


def test_packing_anew_is_proposed_where_it_helps(tmp_path: Path) -> None:
    for kind, helps in ((tarfile.DIRTYPE, True), (tarfile.REGTYPE, False)):
        with tarfile.open(tmp_path / "archive", "w") as archive:
            for _ in range(2):
                info = tarfile.TarInfo("twice")
                info.type = kind
                archive.addfile(info)
        with pytest.raises(InputError, match="tar-duplicate") as caught:
            describe.describe(f"{tmp_path}/archive")
        assert ("image_layer(tars" in caught.value.fix) == helps


def test_annotations_and_media_type_change_the_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(TAR)
    (tmp_path / "more").write_text("a=of the file\nb=2\n\nc=x=y\n")
    arguments = [
        f"--blob={tmp_path / 'a.tar'}",
        f"--metadata={tmp_path / 'out.json'}",
        '--annotations={"a":"1"}',
        f"--annotations_file={tmp_path / 'more'}",
        "--diff_id_annotation=d",
        "--media_type=application/x-tar",
    ]
    describe.run(worker.Request(arguments))
    value = json.loads((tmp_path / "out.json").read_text())
    assert value["annotations"] == {"a": "1", "b": "2", "c": "x=y", "d": value["diff_id"]}
    assert value["mediaType"] == "application/x-tar"


@pytest.mark.parametrize("text", ["x", '{"a":1}', '{"a":"1","a":"2"}', '{"":"x"}'])
def test_wrong_annotations_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.tar").write_bytes(TAR)
    arguments = [f"--blob={tmp_path / 'a.tar'}", f"--metadata={tmp_path / 'o'}"]
    with pytest.raises(InputError, match="--annotations"):
        describe.run(worker.Request([*arguments, f"--annotations={text}"]))
    assert not (tmp_path / "o").exists()


def test_a_file_that_is_no_archive_is_described_on_request(tmp_path: Path) -> None:
    data = b"\0asm\1\0\0\0"
    (tmp_path / "module.wasm").write_bytes(data)
    metadata = tmp_path / "metadata.json"
    arguments = [f"--blob={tmp_path / 'module.wasm'}", f"--metadata={metadata}"]
    describe.run(
        worker.Request([*arguments, "--opaque=1", "--media_type=application/wasm"]),
    )
    value = json.loads(metadata.read_bytes())
    assert value["digest"] == value["diff_id"] == _sha256(data)
    assert value["size"] == value["uncompressed_size"] == len(data)
    assert value["mediaType"] == "application/wasm"
