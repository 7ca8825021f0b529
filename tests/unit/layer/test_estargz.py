"""eStargz layers, read back by a reader written from the specification (docs/estargz.md)."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import tarfile
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest

from lading.errors import InputError, LadingError
from lading.layer.estargz import CHUNK
from tests.unit.layer.bench import Built, build, put

_LANDMARK = ".no.prefetch.landmark"
_METADATA = {
    "mode": "4755",
    "uid": 7,
    "uname": "me",
    "gname": "us",
    "mtime": 86400,
    "pax_records": {"SCHILY.xattr.user.k": "v"},
}


class Reader:
    """Fetches what it is asked for by offsets, as a snapshotter does, and nothing else."""

    def __init__(self, built: Built) -> None:
        self.blob = built.blob
        end = self.blob[-51:]
        assert end[:4] == b"\x1f\x8b\x08\x04"
        assert end[10:16] == b"\x1a\x00SG\x16\x00"
        assert end[32:38] == b"STARGZ"
        self.toc_offset = int(end[16:32], 16)
        toc_tar = self._inflate(self.toc_offset, len(self.blob) - 51)
        with tarfile.open(fileobj=io.BytesIO(toc_tar)) as archive:
            (member,) = archive.getmembers()
            assert member.name == "stargz.index.json"
            stream = archive.extractfile(member)
            assert stream is not None
            toc = stream.read()
        annotation = built.metadata["annotations"]["containerd.io/snapshot/stargz/toc.digest"]
        assert annotation == f"sha256:{hashlib.sha256(toc).hexdigest()}"
        value = json.loads(toc)
        assert value["version"] == 1
        self.entries: list[dict[str, Any]] = value["entries"]

    def _inflate(self, start: int, end: int) -> bytes:
        """The content of exactly one gzip member that begins at `start`."""
        inflater = zlib.decompressobj(wbits=31)
        data = inflater.decompress(self.blob[start:end])
        assert inflater.eof
        return data

    def content(self, name: str) -> bytes:
        """A file's content, chunk by chunk, each checked by its digest."""
        chunks = [entry for entry in self.entries if entry["name"] == name]
        first = chunks[0]
        assert first["type"] == "reg"
        size = first.get("size", 0)
        if not size:
            return b""
        data = b""
        for chunk in chunks:
            assert chunk.get("chunkOffset", 0) == len(data)
            wanted = chunk.get("chunkSize") or size - len(data)
            part = self._inflate(chunk["offset"], len(self.blob))[:wanted]
            assert len(part) == wanted
            assert chunk["chunkDigest"] == f"sha256:{hashlib.sha256(part).hexdigest()}"
            data += part
        assert len(data) == size
        assert first["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        return data


def _build(directory: Path, lines: list[str], **options: Any) -> Built:
    return build(directory, lines, estargz=True, **options)


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    """Sources with everything that a layer can hold."""
    noise = random.Random(1)
    put(
        tmp_path,
        {
            "empty": b"",
            "small": b"hello",
            "exact": noise.randbytes(CHUNK),
            "one-more": noise.randbytes(CHUNK + 1),
            "large": b"".join(b"%09d\n" % number for number in range(1_100_000)),
            "tree/a": b"a" * 1000,
            "tree/same": b"a" * 1000,
        },
    )
    os.symlink("a", tmp_path / "tree/link")
    (tmp_path / "tree/nothing").mkdir()
    names = ("empty", "small", "exact", "one-more", "large")
    return [
        *(f"F\t/srv/{name}\t{tmp_path}/{name}" for name in names),
        f"F\t/srv/large-again\t{tmp_path}/large",
        f"T\t/tree\t{tmp_path}/tree",
        f"F\t/{'long/' * 40}ü\t{tmp_path}/small",
        "L\t/bin/sh\tdash",
        f"M\t/srv/small\t{json.dumps(_METADATA)}",
    ]


def test_every_file_can_be_read_by_its_offset(tmp_path: Path, lines: list[str]) -> None:
    built = _build(tmp_path, lines)
    reader = Reader(built)
    members = built.members()
    assert members.pop("stargz.index.json")
    assert list(members) == list(dict.fromkeys(
        entry["name"].rstrip("/") for entry in reader.entries
    ))  # fmt: skip
    for name, member in members.items():
        if member.isreg():
            assert reader.content(name) == built.content(name)
    assert reader.content(_LANDMARK) == b"\x0f"
    sizes = [entry["name"] for entry in reader.entries if entry["type"] == "chunk"]
    assert sizes == ["srv/large"] * 2 + ["srv/one-more"]


def test_the_archive_is_that_of_an_ordinary_layer(tmp_path: Path, lines: list[str]) -> None:
    plain = build(tmp_path, lines)
    special = _build(tmp_path, lines)
    expected, found = plain.members(), special.members()
    for name in (_LANDMARK, "stargz.index.json"):
        found.pop(name)
    assert list(found) == list(expected)
    for name, member in expected.items():
        assert found[name].get_info() == member.get_info()
        assert found[name].pax_headers == member.pax_headers
        if member.isfile():
            assert special.content(name) == plain.content(name)


def test_entries_say_what_the_archive_says(tmp_path: Path, lines: list[str]) -> None:
    built = _build(tmp_path, lines)
    types = {"dir": tarfile.DIRTYPE, "reg": tarfile.REGTYPE, "symlink": tarfile.SYMTYPE}
    types["hardlink"] = tarfile.LNKTYPE
    members = built.members()
    for entry in Reader(built).entries:
        if entry["type"] == "chunk":
            continue
        member = members[entry["name"].rstrip("/")]
        assert types[entry["type"]] == member.type
        assert (entry["mode"], entry["uid"], entry["gid"]) == (member.mode, member.uid, member.gid)
        assert entry.get("userName", "") == member.uname
        assert entry.get("groupName", "") == member.gname
        assert entry.get("linkName", "") == member.linkname
    small = next(entry for entry in Reader(built).entries if entry["name"] == "srv/small")
    assert small["modtime"] == "1970-01-02T00:00:00Z"
    assert {key: base64.b64decode(text) for key, text in small["xattrs"].items()} == {
        "user.k": b"v"
    }
    links = {e["name"]: e["linkName"] for e in Reader(built).entries if e["type"] == "hardlink"}
    assert links == {"srv/large-again": "srv/large", "tree/same": "tree/a"}


def test_a_member_begins_at_every_content(tmp_path: Path, lines: list[str]) -> None:
    """As `gunzip` sees it: one gzip stream, whose members begin where the table says."""
    built = _build(tmp_path, lines)
    starts, rest = [], built.blob
    while rest:
        starts.append(len(built.blob) - len(rest))
        inflater = zlib.decompressobj(wbits=31)
        inflater.decompress(rest)
        rest = inflater.unused_data
    reader = Reader(built)
    offsets = {entry["offset"] for entry in reader.entries if "offset" in entry}
    assert offsets | {0, reader.toc_offset, len(built.blob) - 51} <= set(starts)


def test_bytes_do_not_depend_on_threads_or_order(tmp_path: Path, lines: list[str]) -> None:
    blobs = {
        _build(tmp_path, order, threads=threads).blob
        for threads in (1, 2, 5)
        for order in (lines, lines[::-1])
    }
    assert len(blobs) == 1


def test_a_layer_of_nothing(tmp_path: Path) -> None:
    built = _build(tmp_path, [])
    assert list(built.members()) == [_LANDMARK, "stargz.index.json"]
    assert Reader(built).content(_LANDMARK) == b"\x0f"


@pytest.mark.parametrize("count", [3000])
def test_entries_without_content_do_not_overflow_a_buffer(tmp_path: Path, count: int) -> None:
    lines = [f"L\t/links/{number:05}\t{'target/' * 60}" for number in range(count)]
    lines.append("D\t/links")
    put(tmp_path, {"end": b"end"})
    built = _build(tmp_path, [*lines, f"F\t/zzz\t{tmp_path}/end"])
    reader = Reader(built)
    assert reader.content("zzz") == b"end"
    assert len(reader.entries) == count + 3


@pytest.mark.parametrize("name", ["stargz.index.json", _LANDMARK, ".prefetch.landmark"])
def test_names_that_the_format_needs_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"/{name} from"):
        _build(tmp_path, [f"E\t/{name}"])
    assert _build(tmp_path, [f"E\t/srv/{name}"])


def test_a_time_that_cannot_be_said_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LadingError, match="year 9999"):
        _build(tmp_path, ["E\t/x"], default_metadata='{"mtime":300000000000}')


def test_work_that_is_not_wanted_any_more_ends(tmp_path: Path, lines: list[str]) -> None:
    class Unwanted(BaseException):
        pass

    calls = []

    def checkpoint() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Unwanted

    out = tmp_path / "out"
    out.mkdir()
    before = threading.active_count()
    with pytest.raises(Unwanted):
        _build(out, lines, checkpoint=checkpoint)
    assert list(out.iterdir()) == []
    assert threading.active_count() == before


def test_the_uncompressed_size_is_announced(tmp_path: Path) -> None:
    built = _build(tmp_path, ["E\t/x"])
    value = built.metadata["annotations"]["io.containers.estargz.uncompressed-size"]
    assert value == str(len(built.tar))
