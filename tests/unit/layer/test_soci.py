"""zTOCs, read back by a reader written from soci-snapshotter's schema and checkpoint format."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from lading.errors import CorruptError, InputError, StorageError
from lading.layer.compress import SOCI_SPAN, Compression
from lading.layer.soci import write_ztoc
from tests.unit.layer.bench import Built, build, put

_GZIP = Compression("gzip", target=SOCI_SPAN)
_KINDS = {
    tarfile.REGTYPE: "reg", tarfile.LNKTYPE: "hardlink", tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.DIRTYPE: "dir",
    tarfile.FIFOTYPE: "fifo",
}  # fmt: skip


class Table:
    """A FlatBuffers table; fields are counted from 0 as in the schema."""

    def __init__(self, data: bytes, place: int) -> None:
        assert place % 4 == 0
        self.data, self.place = data, place
        self.vtable = place - self._at("<i", place)

    def _at(self, kind: str, place: int) -> int:
        assert place % struct.calcsize(kind) == 0
        return int(struct.unpack_from(kind, self.data, place)[0])

    def _field(self, number: int) -> int:
        if 4 + 2 * number >= self._at("<H", self.vtable):
            return 0
        offset = self._at("<H", self.vtable + 4 + 2 * number)
        assert offset < self._at("<H", self.vtable + 2)
        return self.place + offset if offset else 0

    def number(self, number: int, kind: str = "<q") -> int:
        place = self._field(number)
        return self._at(kind, place) if place else 0

    def follow(self, number: int) -> int:
        place = self._field(number)
        return place + self._at("<I", place)

    def table(self, number: int) -> Table:
        return Table(self.data, self.follow(number))

    def bytes(self, number: int) -> bytes:
        start = self.follow(number)
        return self.data[start + 4 :][: self._at("<I", start)]

    def text(self, number: int) -> str:
        start, value = self.follow(number), self.bytes(number)
        assert self.data[start + 4 + len(value)] == 0
        return value.decode()

    def vector(self, number: int) -> list[int]:
        start = self.follow(number)
        places = [start + 4 + 4 * index for index in range(self._at("<I", start))]
        return [place + self._at("<I", place) for place in places]


class Ztoc:
    """All of a zTOC, checked as far as it has to agree with itself."""

    def __init__(self, data: bytes, blob: bytes) -> None:
        root = Table(data, struct.unpack_from("<I", data)[0])
        assert root.text(0) == "0.9"
        assert root.text(1) == "lading"
        assert root.number(2) == len(blob)
        self.size = root.number(3)
        self.files = [Table(data, place) for place in root.table(4).vector(0)]
        compression = root.table(5)
        assert compression.number(0, "<b") == 0  # absent: gzip
        self.digests = []
        for place in compression.vector(2):
            length = struct.unpack_from("<I", data, place)[0]
            self.digests.append(data[place + 4 :][:length].decode())
        checkpoints = compression.bytes(3)
        count, span = struct.unpack_from("<iq", checkpoints)
        assert span == SOCI_SPAN
        assert len(checkpoints) == 12 + count * (17 + 32768)
        assert count == compression.number(1, "<i") + 1 == len(self.digests)
        self.points = [
            struct.unpack_from("<qqB32768s", checkpoints, 12 + number * (17 + 32768))
            for number in range(count)
        ]

    def spans(self, blob: bytes) -> list[bytes]:
        """What is in each span, as a snapshotter of before 2026 reads it: to a member's end."""
        ends = [point[0] for point in self.points[1:]] + [len(blob)]
        sizes = [point[1] for point in self.points[1:]] + [self.size]
        result = []
        for (start, position, bits, window), end, after, digest in zip(
            self.points, ends, sizes, self.digests, strict=True
        ):
            assert bits == 0
            assert digest == f"sha256:{hashlib.sha256(blob[start:end]).hexdigest()}"
            inflater = zlib.decompressobj(wbits=-15, zdict=window)
            result.append(inflater.decompress(blob[start:end]))
            assert len(result[-1]) == after - position
        return result


def _ztoc(directory: Path, built: Built) -> Ztoc:
    outputs = str(directory / "ztoc"), str(directory / "ztoc.json")
    write_ztoc(str(directory / "layer.blob"), str(directory / "layer.json"), *outputs)
    data = (directory / "ztoc").read_bytes()
    assert json.loads((directory / "ztoc.json").read_bytes()) == {
        "mediaType": "application/octet-stream",
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "size": len(data),
        "annotations": {
            "com.amazon.soci.image-layer-digest": built.metadata["digest"],
            "com.amazon.soci.image-layer-mediaType": built.metadata["mediaType"],
            "com.amazon.soci.span-size": "4194304",
        },
    }
    return Ztoc(data, built.blob)


def _of_archive(
    directory: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> tuple[Built, Ztoc]:
    with tarfile.open(directory / "in.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    built = build(directory, [f"R\t/\t{directory / 'in.tar'}"], compression=_GZIP)
    return built, _ztoc(directory, built)


def test_spans_are_the_archive_and_files_are_in_them(tmp_path: Path) -> None:
    noise = random.Random(1)
    put(tmp_path / "in", {f"{number:03}": noise.randbytes(300_000) for number in range(40)})
    put(tmp_path / "in", {"large": b"".join(b"%d\n" % n for n in range(2_000_000)), "empty": b""})
    built = build(tmp_path, [f"T\t/srv\t{tmp_path / 'in'}"], compression=_GZIP)
    ztoc = _ztoc(tmp_path, built)
    spans = ztoc.spans(built.blob)
    assert b"".join(spans) == built.tar
    # Large enough that the zTOC is small, small enough that a file does not wait for others.
    assert 4 < len(spans) < 2 * len(built.tar) / SOCI_SPAN
    assert max(map(len, spans)) <= 2 * SOCI_SPAN
    for file, member in zip(ztoc.files, built.members().values(), strict=True):
        start, size = file.number(2), file.number(3)
        assert (start, size) == (member.offset_data, member.size)
        if member.isreg():
            assert built.tar[start : start + size] == built.content(member.name)


def test_every_field_is_that_of_the_archive(tmp_path: Path) -> None:
    members = []
    for number, kind in enumerate(_KINDS):
        member = tarfile.TarInfo(f"dir/{number}ü")
        member.type = kind
        member.mode, member.uid, member.gid = 0o4711 + number, number, 3_000_000_000
        member.uname, member.gname = "me", f"us{number}"
        member.mtime = 86400 * number
        member.devmajor, member.devminor = (1, 200) if kind in b"34" else (0, 0)
        member.linkname = "dir/0ü" if kind in b"12" else ""
        member.pax_headers = {"SCHILY.xattr.user.k": "v" * number or "x", "comment": "ü"}
        data = b"content" if kind == tarfile.REGTYPE else b""
        member.size = len(data)
        members.append((member, data))
    long = tarfile.TarInfo("long/" * 60 + "name")
    members.append((long, b""))
    built, ztoc = _of_archive(tmp_path, members)
    assert b"".join(ztoc.spans(built.blob)) == built.tar
    for file, member in zip(ztoc.files, built.members().values(), strict=True):
        assert file.text(0) == member.name + ("/" if member.isdir() else "")
        assert file.text(1) == _KINDS[member.type]
        assert (file.number(2), file.number(3)) == (member.offset_data, member.size)
        assert file.text(4) == member.linkname
        assert file.number(5) == member.mode
        assert (file.number(6, "<I"), file.number(7, "<I")) == (member.uid, member.gid)
        assert (file.text(8), file.text(9)) == (member.uname, member.gname)
        assert file.text(10) == f"1970-01-{1 + int(member.mtime) // 86400:02}T00:00:00Z"
        assert (file.number(11), file.number(12)) == (member.devmajor, member.devminor)
        records = [Table(file.data, place) for place in file.vector(13)]
        assert [(item.text(0), item.text(1)) for item in records] == sorted(
            member.pax_headers.items()
        )


@pytest.mark.parametrize(
    ("mtime", "text"),
    [
        ("0", "1970-01-01T00:00:00Z"),
        ("1700000000.5", "2023-11-14T22:13:20.5Z"),
        ("1700000000.123456789", "2023-11-14T22:13:20.123456789Z"),
        ("1700000000.000000000", "2023-11-14T22:13:20Z"),
        ("-1", "1969-12-31T23:59:59Z"),
        ("-0.25", "1969-12-31T23:59:59.75Z"),
        ("-62135596800", "0001-01-01T00:00:00Z"),
        ("253402300799", "9999-12-31T23:59:59Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(tmp_path: Path, mtime: str, text: str) -> None:
    member = tarfile.TarInfo("file")
    member.pax_headers = {"mtime": mtime}
    _, ztoc = _of_archive(tmp_path, [(member, b"")])
    assert ztoc.files[0].text(10) == text


@pytest.mark.parametrize("mtime", ["253402300800", "-62135596801", "9" * 18])
def test_time_that_rfc_3339_has_no_year_for_is_refused(tmp_path: Path, mtime: str) -> None:
    member = tarfile.TarInfo("file")
    member.pax_headers = {"mtime": mtime}
    with pytest.raises(InputError, match="the years 1 to 9999"):
        _of_archive(tmp_path, [(member, b"")])
    assert not (tmp_path / "ztoc").exists()


def test_layer_without_files_has_a_ztoc(tmp_path: Path) -> None:
    built, ztoc = _of_archive(tmp_path, [])
    assert ztoc.files == []
    assert ztoc.spans(built.blob) == [built.tar]


def test_same_layer_has_the_same_ztoc(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        put(tmp_path / name, {"in/x": b"x" * 100, "in/y": b"y"})
        built = build(tmp_path / name, [f"T\t/\t{tmp_path / name / 'in'}"], compression=_GZIP)
        _ztoc(tmp_path / name, built)
        made.append((tmp_path / name / "ztoc").read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"compression": ("gzip", "fast"), "estargz": True}, InputError),
        ({"compression": ("zstd", "fast")}, InputError),
        ({"compression": ("none", "fast")}, InputError),
    ],
)
def test_other_layers_are_refused(
    tmp_path: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    put(tmp_path, {"in/x": b"x" * 100_000})
    built = build(tmp_path, [f"T\t/\t{tmp_path / 'in'}"], **options)
    with pytest.raises(error, match="no plain gzip member"):
        _ztoc(tmp_path, built)
    assert not (tmp_path / "ztoc").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_layer_is_refused(tmp_path: Path, damage: str) -> None:
    put(tmp_path, {"in/x": random.Random(1).randbytes(100_000)})
    built = build(tmp_path, [f"T\t/\t{tmp_path / 'in'}"], compression=_GZIP)
    blob = bytearray(built.blob)
    if damage == "cut":
        del blob[-9:]
    else:
        blob[len(blob) // 2] ^= 1
    (tmp_path / "layer.blob").write_bytes(blob)
    with pytest.raises(CorruptError, match="damaged"):
        _ztoc(tmp_path, built)
    assert not (tmp_path / "ztoc").exists()


@pytest.mark.parametrize("bad", ["ztoc", "ztoc.json"])
def test_an_output_that_cannot_be_written_leaves_none(tmp_path: Path, bad: str) -> None:
    build(tmp_path, ["E\t/x"])
    out = tmp_path / "out"
    (out / bad).mkdir(parents=True)
    with pytest.raises(StorageError, match=f"{bad} cannot be written"):
        write_ztoc(
            str(tmp_path / "layer.blob"),
            str(tmp_path / "layer.json"),
            str(out / "ztoc"),
            str(out / "ztoc.json"),
        )
    assert [path.name for path in out.iterdir()] == [bad]
