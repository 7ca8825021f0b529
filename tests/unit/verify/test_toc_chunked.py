"""What a lazy puller is told about a zstd:chunked layer is what the layer has."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from lading.layer.estargz import TOC_ANNOTATION
from lading.oci.verify_rules import Finding, exit_code
from lading.verify.place import Options, verify_directory
from tests.unit.verify import tables
from tests.unit.verify.chunked_writer import Chunked, digest_of, entries_of, split_of, write
from tests.unit.verify.seeds import Spoilt, member, tar_of
from tests.unit.verify.tables import Entries, of

_POSITION = "io.github.containers.zstd-chunked.manifest-position"
_CHECKSUM = "io.github.containers.zstd-chunked.manifest-checksum"
_SPLIT = "io.github.containers.zstd-chunked.tarsplit-position"
_LARGE = b"ab" * 50_000 + bytes(100_000) + b"c" * 777
_CHUNK = 50_000


def _tar() -> bytes:
    xattr = {"SCHILY.xattr.user.key": "value"}
    link: dict[str, Any] = {"type": tarfile.SYMTYPE, "linkname": "small", "mode": 0o777}
    return tar_of(
        member("bin", type=tarfile.DIRTYPE, mode=0o755),
        member("bin/large", _LARGE),
        member("bin/small", b"small", mode=0o755, pax_headers=xattr),
        member("bin/hard", type=tarfile.LNKTYPE, linkname="bin/small", mode=0o755),
        member("bin/link", **link),
        member("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("empty"),
        member("ü" * 60, b"x"),
    )


def _findings(tmp_path: Path, layer: Chunked) -> tuple[Finding, ...]:
    media_type = "application/vnd.oci.image.layer.v1.tar+zstd"
    stated = {"annotations": layer.annotations, "mediaType": media_type}
    return tables.findings(tmp_path, layer.tar, layer.blob, stated)


def _said(tmp_path: Path, layer: Chunked) -> list[str]:
    findings = _findings(tmp_path, layer)
    assert {item.rule for item in findings} <= {"layer-toc"}
    assert exit_code(findings) == (12 if findings else 0)
    return [item.what for item in findings]


@pytest.mark.parametrize("chunk", [0, 1, 3, 5_000, _CHUNK, 4 << 20])
@pytest.mark.parametrize("with_split", [True, False])
def test_the_table_of_an_honest_layer(tmp_path: Path, chunk: int, *, with_split: bool) -> None:
    tar = _tar() if chunk != 1 else tar_of(member("a", b"abc"), member("b", b"\0\0a"))
    layer = write(tar, entries_of(tar, chunk), split_of(tar) if with_split else None)
    assert _said(tmp_path, layer) == []


def test_a_file_that_is_called_like_the_table_of_estargz(tmp_path: Path) -> None:
    tar = tar_of(member("stargz.index.json", b"{}"))
    assert _said(tmp_path, write(tar, entries_of(tar), split_of(tar))) == []
    assert _said(tmp_path / "2", write(tar, [], split_of(tar))) == [
        "the layer has it, the table does not"
    ]


def _zeros(entries: Entries) -> dict[str, Any]:
    return next(item for item in entries if item.get("chunkType"))


_EVIL = digest_of(b"evil!")
LIES: dict[str, Callable[[Entries], object]] = {
    **tables.LIES,
    "another digest": lambda all_: of(all_, "bin/small").update(digest=_EVIL),
    "no digest": lambda all_: of(all_, "bin/small").pop("digest"),
    "another chunk": lambda all_: of(all_, "bin/large").update(chunkDigest=_EVIL),
    "another later chunk": lambda all_: of(all_, "bin/large", "chunk").update(chunkDigest=_EVIL),
    "a chunk of another size": lambda all_: of(all_, "bin/large").update(chunkSize=1),
    "a chunk without a digest": lambda all_: of(all_, "bin/large", "chunk").pop("chunkDigest"),
    "a chunk too few": lambda all_: all_.remove(of(all_, "bin/large", "chunk")),
    "zeros that are none": lambda all_: of(all_, "bin/large").update(chunkType="zeros"),
    "zeros with another digest": lambda all_: _zeros(all_).update(chunkDigest=_EVIL),
    "another kind of chunk": lambda all_: _zeros(all_).update(chunkType="ones"),
    "another file": lambda all_: of(all_, "bin/hard", "hardlink").update(linkName="empty"),
    "another device": lambda all_: of(all_, "dev/null", "char").update(devMinor=5),
    "another type": lambda all_: of(all_, "empty").update(type="fifo"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_table_that_lies(tmp_path: Path, lie: str) -> None:
    tar = _tar()
    entries = entries_of(tar, _CHUNK)
    LIES[lie](entries)
    assert _said(tmp_path, write(tar, entries, split_of(tar)))


@pytest.mark.parametrize(
    "position",
    ["", "1", "1:2:3", "a:2:3:1", "-8:2:3:1", "0:99999999999:5:1", "0:10:99999999999:1",
     "1:2:3:4:5", "0:4:10:1", "0:0:0:1", "²:2:3:1", "9" * 5000 + ":2:3:1"],
)  # fmt: skip
def test_a_table_that_is_not_where_it_is_said_to_be(tmp_path: Path, position: str) -> None:
    tar = _tar()
    layer = write(tar, entries_of(tar), split_of(tar))
    layer.annotations[_POSITION] = position
    assert _said(tmp_path, layer)


def test_a_table_of_another_kind_or_size(tmp_path: Path) -> None:
    tar = _tar()
    layer = write(tar, entries_of(tar), split_of(tar))
    at, packed, size, _ = layer.annotations[_POSITION].split(":")
    for number, text in enumerate((f"{at}:{packed}:{size}:2", f"{at}:{packed}:{int(size) - 1}:1")):
        layer.annotations[_POSITION] = text
        assert _said(tmp_path / str(number), layer) != []


def test_an_annotation_that_names_another_table(tmp_path: Path) -> None:
    tar = _tar()
    layer = write(tar, entries_of(tar), split_of(tar))
    stated = layer.annotations[_CHECKSUM]
    layer.annotations[_CHECKSUM] = digest_of(b"another")
    assert _said(tmp_path, layer) == [
        f"it is {stated}, its annotation says {digest_of(b'another')}"
    ]


def test_a_position_without_a_checksum_is_nobodys_table(tmp_path: Path) -> None:
    tar = _tar()
    layer = write(tar, [], None)
    del layer.annotations[_CHECKSUM]
    assert _said(tmp_path, layer) == []


def test_two_tables(tmp_path: Path) -> None:
    """Each reader takes another one."""
    tar = _tar()
    layer = write(tar, entries_of(tar), split_of(tar))
    layer.annotations[TOC_ANNOTATION] = digest_of(b"")
    assert _said(tmp_path, layer) == ["there is one of eStargz and one of zstd:chunked"]


@pytest.mark.parametrize("entries", [5, None, [5], {"a": 1}, [[]], ["reg"]])
def test_a_table_that_is_none(tmp_path: Path, entries: Any) -> None:
    tar = _tar()
    assert _said(tmp_path, write(tar, entries, None)) == ["it is malformed"]


def test_the_same_layer_with_two_tables_is_read_as_each(tmp_path: Path) -> None:
    """What one descriptor says is not what another does."""
    tar = _tar()
    layer = write(tar, entries_of(tar), split_of(tar))
    spoilt = Spoilt(tmp_path / "layout")
    spoilt.set_layer(tar, layer.blob)
    media_type = "application/vnd.oci.image.layer.v1.tar+zstd"

    def twice(value: dict[str, Any]) -> None:
        first = value["layers"][0] | {"mediaType": media_type, "annotations": layer.annotations}
        lying = {**layer.annotations, _CHECKSUM: digest_of(b"another")}
        value["layers"] = [first, {**first, "annotations": lying}]

    spoilt.change_manifest(twice)
    spoilt.change_config(
        lambda value: value["rootfs"].update(diff_ids=[value["rootfs"]["diff_ids"][0]] * 2)
    )
    findings = verify_directory(spoilt.directory, Options()).findings
    assert "layer-toc" in {item.rule for item in findings}


def _raw(segment: dict[str, Any], change: Callable[[bytes], bytes]) -> None:
    data = change(base64.b64decode(segment["payload"]))
    segment["payload"] = base64.b64encode(data).decode()


SPLITS: dict[str, Callable[[Entries], object]] = {
    "another header": lambda all_: _raw(all_[0], lambda data: b"x" + data[1:]),
    "a byte too few": lambda all_: _raw(all_[-1], lambda data: data[1:]),
    "a byte too many": lambda all_: _raw(all_[-1], lambda data: data + b"\0"),
    "another size": lambda all_: all_[3].update(size=5),
    "a size beyond all memory": lambda all_: all_[3].update(size=1 << 62),
    "a negative size": lambda all_: all_[3].update(size=-1),
    "a text for a size": lambda all_: all_[3].update(size="5"),
    "nothing": lambda all_: all_.clear(),
    "a segment too few": lambda all_: all_.pop(),
    "another type": lambda all_: all_[0].update(type=3),
    "no payload": lambda all_: all_[0].update(payload=None),
    "no base64": lambda all_: all_[0].update(payload="*"),
}


@pytest.mark.parametrize("lie", SPLITS)
def test_a_tar_split_that_lies(tmp_path: Path, lie: str) -> None:
    """What a lazy puller exports and pushes is made from it."""
    tar = _tar()
    split = split_of(tar)
    SPLITS[lie](split)
    [what] = _said(tmp_path, write(tar, entries_of(tar), split))
    assert what.startswith("tar-split")


def test_a_tar_split_of_which_the_table_says_another_digest(tmp_path: Path) -> None:
    tar = _tar()
    layer = write(tar, entries_of(tar), split_of(tar), tarSplitDigest=digest_of(b""))
    [what] = _said(tmp_path, layer)
    assert what.startswith("tar-split is sha256:")


@pytest.mark.parametrize("position", [None, "", "1:2", "0:5:1000", "99999999999:5:5"])
def test_a_tar_split_that_is_not_where_it_is_said_to_be(
    tmp_path: Path, position: str | None
) -> None:
    tar = _tar()
    layer = write(tar, entries_of(tar), split_of(tar))
    if position is None:
        del layer.annotations[_SPLIT]
    else:
        layer.annotations[_SPLIT] = position
    [what] = _said(tmp_path, layer)
    assert what.startswith("tar-split")


def test_a_tar_split_that_is_no_json(tmp_path: Path) -> None:
    tar = _tar()
    for number, lines in enumerate((b"[]\n", b"{}\n", b"\xff", b"{" * 100_000, b"5")):
        packed = zstandard.compress(lines)
        layer = write(tar, entries_of(tar), None, tarSplitDigest=digest_of(packed))
        layer.annotations[_SPLIT] = f"{len(layer.blob) + 8}:{len(packed)}:{len(lines)}"
        layer.blob += b"\x50\x2a\x4d\x18" + len(packed).to_bytes(4, "little") + packed
        [what] = _said(tmp_path / str(number), layer)
        assert what.startswith("tar-split")


def test_a_table_that_expands_to_more_than_it_says(tmp_path: Path) -> None:
    tar = _tar()
    packed = zstandard.compress(json.dumps({"entries": []}).encode() + b" " * (100 << 20))
    layer = write(tar, [], None)
    layer.annotations = {
        _CHECKSUM: digest_of(packed),
        _POSITION: f"{len(layer.blob) + 8}:{len(packed)}:14:1",
    }
    layer.blob += b"\x50\x2a\x4d\x18" + len(packed).to_bytes(4, "little") + packed
    assert _said(tmp_path, layer) == ["it is malformed"]
