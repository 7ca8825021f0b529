"""Archives that are damaged or hostile: refused by name, with nothing left behind.

The classes are those of CVE-2025-62518 (sizes that disagree), CVE-2025-4517 (links that lead out),
and of archives that end early or expand without end.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import itertools
import lzma
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from lading.errors import CorruptError, InputError, LadingError, LimitError
from lading.layer import archive as archives
from lading.layer import decompress
from lading.layer.view import View
from lading.scan.codec import decompress as decompressed
from tests.unit.layer.bench import build

Member = tuple[tarfile.TarInfo, bytes]


def _member(
    name: str, kind: bytes = tarfile.REGTYPE, *, data: bytes = b"", link: str = ""
) -> Member:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data)
    info.linkname = link
    return info, data


def _tar(*members: Member) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def _pax(records: dict[str, str], data: bytes) -> bytes:
    """A file whose extended header says `records`, whatever its own header says."""
    info, _ = _member("a", data=data)
    info.pax_headers = records
    header = info.tobuf(tarfile.PAX_FORMAT)
    return header + data + bytes(-len(data) % 512) + bytes(1024)


def _changed(data: bytes, at: int, new: bytes) -> bytes:
    """The archive with other bytes in its first header, whose checksum is right all the same."""
    block = bytearray(data[:512])
    block[at : at + len(new)] = new
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data[512:]


def _global_header(records: dict[str, str]) -> bytes:
    return tarfile.TarInfo.create_pax_global_header(records)


def _long(kind: bytes, text: bytes) -> bytes:
    """GNU tar's header for a name, or a link's target, of any length."""
    info, _ = _member("././@LongLink", kind, data=text)
    return info.tobuf(tarfile.GNU_FORMAT) + text + bytes(-len(text) % 512)


FILE = _member("a", data=b"content")
GOOD = _tar(FILE)
LOST = b"hidden" + bytes(506)

HOSTILE: dict[str, tuple[bytes, type[LadingError]]] = {
    "PAX size is larger": (_pax({"size": "1024"}, b"x" * 512), CorruptError),
    "PAX size is smaller": (_pax({"size": "0"}, b"x" * 512), CorruptError),
    "PAX size is no number": (_pax({"size": "1e3"}, b"x"), CorruptError),
    "PAX size is negative": (_pax({"size": "-1"}, b"x"), CorruptError),
    "size beyond the end": (_changed(GOOD, 124, b"77777777777"), CorruptError),
    "link with data": (_changed(GOOD, 156, b"2"), CorruptError),
    "wrong checksum": (GOOD[:148] + b"000000\0 " + GOOD[156:], CorruptError),
    "file twice": (_tar(FILE, _member("b"), _member("./a", data=b"other")), CorruptError),
    "file and directory": (_tar(FILE, _member("a", tarfile.DIRTYPE)), CorruptError),
    "file below a file": (_tar(FILE, _member("a/b")), LadingError),
    "file through a link": (
        _tar(_member("l", tarfile.SYMTYPE, link="/etc"), _member("l/passwd", data=b"x")),
        LadingError,
    ),
    "parent in a name": (_tar(_member("../a")), InputError),
    "parent in the middle": (_tar(_member("a/../../b")), InputError),
    "absolute name": (_tar(_member("/etc/passwd")), InputError),
    "hard link out": (_tar(_member("b", tarfile.LNKTYPE, link="../../etc/shadow")), LadingError),
    "hard link to nothing": (_tar(_member("b", tarfile.LNKTYPE, link="a")), CorruptError),
    "hard link to itself": (_tar(_member("b", tarfile.LNKTYPE, link="b")), CorruptError),
    "hard link to a directory": (
        _tar(_member("d", tarfile.DIRTYPE), _member("b", tarfile.LNKTYPE, link="d")),
        CorruptError,
    ),
    "symbolic link to nothing": (_tar(_member("b", tarfile.SYMTYPE)), CorruptError),
    "device": (_tar(_member("b", tarfile.BLKTYPE)), InputError),
    "pipe": (_tar(_member("b", tarfile.FIFOTYPE)), InputError),
    "unknown type": (_changed(GOOD, 156, b"Z"), CorruptError),
    "name that is not UTF-8": (_changed(GOOD, 0, b"caf\xe9"), InputError),
    "no end": (GOOD[:1024], CorruptError),
    "half an end": (GOOD[:1536], CorruptError),
    "cut in a header": (GOOD[:100], CorruptError),
    "cut in the data": (_tar(_member("a", data=b"x" * 5000))[:2048], CorruptError),
    "a name of nothing": (_tar(_member("")), CorruptError),
    "name longer than any path": (_pax({"path": "a/" * 50_000}, b""), CorruptError),
    "link longer than any path": (
        _tar(_member("l", tarfile.SYMTYPE, link="a/" * 50_000)),
        CorruptError,
    ),
    "owner below zero": (_changed(GOOD, 108, b"\xff" * 8), CorruptError),
    "owner that chown takes for none": (_pax({"uid": "4294967295"}, b""), CorruptError),
    "time of access that is none": (_pax({"atime": "yesterday"}, b""), CorruptError),
    "time beyond every clock": (_pax({"mtime": "9" * 39}, b""), CorruptError),
    "time far below zero": (_changed(GOOD, 136, b"\x80" + b"\xff" * 11), CorruptError),
    "file with a directory's name": (_changed(_tar(_member("a")), 1, b"/"), CorruptError),
    "a sparse name and no sparse file": (_pax({"GNU.sparse.name": "b"}, b""), CorruptError),
    "owner for every entry": (_global_header({"uid": "0"}) + GOOD, CorruptError),
    "attribute for every entry": (
        _global_header({"SCHILY.xattr.security.capability": "x"}) + GOOD,
        CorruptError,
    ),
    "global header between an entry and its own": (
        _pax({"path": "b"}, b"")[:1024] + _global_header({"comment": "x"}) + GOOD,
        CorruptError,
    ),
    "extended header of Solaris": (_changed(_pax({"path": "b"}, b""), 156, b"X"), CorruptError),
    "record that is longer than it says": (
        _pax({"comment": "abc"}, b"").replace(b"15 comment", b"14 comment"),
        CorruptError,
    ),
    "record longer than its header": (
        _pax({"comment": "abc"}, b"").replace(b"15 comment", b"99 comment"),
        CorruptError,
    ),
    "record whose length begins with a zero": (
        _pax({"comment": "abcd"}, b"").replace(b"16 comment", b"016comment"),
        CorruptError,
    ),
    "record twice": (
        _pax({"mtime": "5", "ctime": "5"}, b"").replace(b"ctime", b"mtime"),
        CorruptError,
    ),
    "extended header of nothing": (
        _pax({"comment": "abc"}, b"")[:1024] + bytes(1024),
        CorruptError,
    ),
    "extended header that is cut off": (_pax({"comment": "abc"}, b"")[:700], CorruptError),
    "two extended headers of one entry": (
        _pax({"path": "b"}, b"")[:1024] + _pax({"path": "c"}, b""),
        CorruptError,
    ),
    "two long names of one entry": (_long(b"L", b"b") + _long(b"L", b"c") + GOOD, CorruptError),
    "two ways to a long name": (_long(b"L", b"b") + _pax({"path": "c"}, b""), CorruptError),
    "entry behind a lone block of zeros": (GOOD[:1024] + bytes(512) + GOOD, CorruptError),
    "record whose key holds a NUL": (_pax({"SCHILY.xattr.user.a\0b": "x"}, b""), CorruptError),
    "attribute whose name is not UTF-8": (
        _pax({"SCHILY.xattr.user.Z": "x"}, b"").replace(b"user.Z", b"user.\xff"),
        InputError,
    ),
    "size of nothing": (_pax({"size": ""}, b"x"), CorruptError),
    "number behind a NUL": (_changed(GOOD, 124, b"\x0000000000007"), CorruptError),
    "prefix of a name that is none": (
        _changed(_changed(GOOD, 345, b"../.."), 257, b"ustar  \0"),
        CorruptError,
    ),
    "prefix in a header of star, with what follows it": (
        _changed(_changed(GOOD, 345, b"x" * 155), 508, b"tar\0"),
        CorruptError,
    ),
    "time in a header of star that is none": (
        _changed(_changed(GOOD, 476, b"yesterday\0"), 508, b"tar\0"),
        CorruptError,
    ),
    "device in a header that has none": (
        _changed(_changed(GOOD, 257, bytes(8)), 329, b"zzzzzzz\0"),
        CorruptError,
    ),
    "long name with a NUL": (_long(b"L", b"b\0hidden\0") + GOOD, CorruptError),
    "long target with a NUL": (
        _long(b"K", b"b\0hidden\0") + _tar(_member("l", tarfile.SYMTYPE, link="b")),
        CorruptError,
    ),
    "directory by its long name alone": (_pax({"path": "a/"}, b""), CorruptError),
    "second archive behind the end": (GOOD + _tar(_member("b", data=b"x")), CorruptError),
    "data behind the end": (GOOD[:2048] + LOST, CorruptError),
    "no archive": (b"#!/bin/sh\necho hello\n" * 50, CorruptError),
    "empty": (b"", CorruptError),
}
FORMS: dict[str, Callable[[bytes], bytes]] = {"tar": bytes, "gzip": gzip.compress}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive(out: Path, tmp_path: Path, name: str, form: str) -> None:
    data, kind = HOSTILE[name]
    path = tmp_path / "hostile.tar"
    path.write_bytes(FORMS[form](data))
    with pytest.raises(kind) as caught:
        build(out, ["E\t/ok", f"A\t/\t{path}"])
    text = str(caught.value)
    assert len(text.splitlines()) <= 2
    assert str(path) in text


@pytest.mark.parametrize("kind", ["A", "R"])
@pytest.mark.parametrize(
    "data",
    [b"PK\x03\x04" + b"x" * 600, lzma.compress(GOOD, lzma.FORMAT_ALONE), b"\x04\x22\x4d\x18 lz4"],
    ids=["zip", "lzma", "lz4"],
)
def test_what_is_no_tar_is_told_what_may_be(
    out: Path, tmp_path: Path, data: bytes, kind: str
) -> None:
    path = tmp_path / "archive"
    path.write_bytes(data)
    with pytest.raises(LadingError) as caught:
        build(out, [f"{kind}\t/\t{path}"])
    assert caught.value.fix == "give it a tar, plain or in gzip, zstd, xz or bzip2"


def test_a_header_from_before_ustar_as_gnu_tar_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "v7.tar"
    path.write_bytes(_changed(_changed(GOOD, 257, bytes(8)), 329, b"0000000\x000000000\0"))
    assert build(tmp_path, [f"A\t/\t{path}"]).content("a") == b"content"


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_members_that_expand_much_come_to_an_end(size: int) -> None:
    """More than a piece of output from one piece of input, and another member behind it."""
    data = gzip.compress(bytes(size)) + gzip.compress(b"x") + gzip.compress(bytes(size))
    pieces = list(itertools.islice(decompressed("gzip", iter([data])), 100))
    assert b"".join(pieces) == bytes(size) + b"x" + bytes(size)
    assert max(map(len, pieces)) <= 1 << 20


COMPRESSED: dict[str, bytes] = {
    "gzip cut off": gzip.compress(GOOD)[:-9],
    "gzip without its sums": gzip.compress(GOOD)[:-8],
    "gzip with a wrong sum": gzip.compress(GOOD)[:-8] + bytes(8),
    "gzip and more": gzip.compress(GOOD) + b"more",
    "zstd cut off": zstandard.compress(GOOD)[:-3],
    "zstd and more": zstandard.compress(GOOD) + b"more",
    "zstd with a huge window": b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(50),
    "xz cut off": lzma.compress(GOOD)[:-5],
    "xz and more": lzma.compress(GOOD) + b"more",
    "xz and three zeros": lzma.compress(GOOD) + bytes(3),
    "xz, a zero and xz": lzma.compress(GOOD) + b"\0" + lzma.compress(LOST),
    "bzip2 cut off": bz2.compress(GOOD)[:-5],
    "bzip2 and more": bz2.compress(GOOD) + b"more",
}


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("kind", ["A", "R"])
def test_a_damaged_compression(out: Path, tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "damaged.tar"
    path.write_bytes(COMPRESSED[name])
    with pytest.raises(LadingError, match=r"damaged\.tar") as caught:
        build(out, [f"{kind}\t/\t{path}"])
    assert caught.value.exit_code in (5, 9)


@pytest.mark.parametrize("pack", [lzma.compress, bz2.compress], ids=["xz", "bzip2"])
@pytest.mark.parametrize("cut", range(8))
def test_streams_that_begin_at_the_end_of_a_piece(pack: Callable[[bytes], bytes], cut: int) -> None:
    first, second = pack(GOOD), pack(LOST)
    pieces = iter([first + second[:cut], second[cut:]])
    size = len(first) + len(second)
    assert b"".join(decompress.uncompressed(pieces, size, what="")) == GOOD + LOST


@pytest.mark.parametrize("padding", [0, 4, 8192])
def test_zeros_between_and_behind_xz_streams(padding: int) -> None:
    data = lzma.compress(GOOD) + bytes(padding) + lzma.compress(LOST) + bytes(padding)
    for size in (7, 1000, len(data)):
        pieces = (data[at : at + size] for at in range(0, len(data), size))
        assert b"".join(decompress.uncompressed(pieces, len(data), what="")) == GOOD + LOST


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, zstandard.compress, lzma.compress, bz2.compress],
    ids=lambda f: f.__module__,
)
def test_a_bomb(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(decompress, "_FREE_SIZE", 1 << 20)
    path = tmp_path / "bomb"
    path.write_bytes(pack(_tar(_member("zeros", data=bytes(60_000_000)))))
    with pytest.raises(LimitError, match="bomb expands to more than 250 times its size"):
        build(out, [f"A\t/\t{path}"])


def test_more_entries_than_any_archive_has(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MAX_ENTRIES", 100)
    path = tmp_path / "many"
    path.write_bytes(_tar(*(_member(f"{number}") for number in range(101))))
    with pytest.raises(LimitError, match="many has more than 100 entries"):
        build(out, [f"A\t/\t{path}"])


def test_more_names_than_memory(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MAX_NAMES", 1000)
    path = tmp_path / "many"
    path.write_bytes(_tar(*(_member(f"{number}".rjust(50, "x")) for number in range(21))))
    with pytest.raises(LimitError, match="many has more than 1000 bytes of names"):
        build(out, [f"A\t/\t{path}"])


def test_attributes_count_as_names(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MAX_NAMES", 1000)
    path = tmp_path / "attributes"
    data = _pax({"SCHILY.xattr.user.a": "x" * 1000}, b"")
    path.write_bytes(data[:-1024] + _tar(_member("b")))
    with pytest.raises(LimitError, match="attributes has more than 1000 bytes of names"):
        build(out, [f"A\t/\t{path}"])


def test_a_hard_link_is_its_file_whatever_its_own_header_says(tmp_path: Path) -> None:
    file, link = _member("a", data=b"x"), _member("b", tarfile.LNKTYPE, link="a")
    file[0].mode, link[0].mode, link[0].uid = 0o600, 0o4755, 7
    path = tmp_path / "link.tar"
    path.write_bytes(_tar(file, link))
    members = build(tmp_path, [f"A\t/\t{path}"]).members()
    assert members["b"].linkname == "a"
    assert {(one.mode, one.uid) for one in members.values()} == {(0o600, 0)}


def test_a_time_before_the_epoch_is_of_the_second_it_is_in(tmp_path: Path) -> None:
    path = tmp_path / "time.tar"
    path.write_bytes(_pax({"mtime": "-5.5"}, b""))
    assert build(tmp_path, [f"A\t/\t{path}"]).members()["a"].mtime == -6


def test_names_as_deep_as_a_path_can_be() -> None:
    """A view, unlike an archive, holds every directory on the way; none of it recurses."""
    deep = "d/" * 2000 + "f"
    first = _tar(_member(deep, data=b"x"), _member("d/kept"))
    second = _tar(_member("d/.wh.d"), _member("d/d/new"))
    layers = [functools.partial(io.BytesIO, data) for data in (first, second)]
    assert len(list(View(layers[:1]).walk())) == 2002
    assert [path for path, _ in View(layers).walk()] == ["/d", "/d/d", "/d/d/new", "/d/kept"]


def test_the_same_whiteout_many_times_costs_no_more_than_once() -> None:
    first = _tar(*(_member(f"d/{number}") for number in range(3000)))
    opaque = [_member("d/.wh..wh..opq")] * 3000
    second = _tar(*(_member(f"d/new{number}") for number in range(3000)), *opaque)
    started = time.monotonic()
    view = View([functools.partial(io.BytesIO, data) for data in (first, second)])
    assert time.monotonic() - started < 3
    assert len(list(view.walk())) == 3001


def test_an_extended_header_without_end(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "long"
    info, data = FILE
    info = tarfile.TarInfo("a")
    info.pax_headers = {"comment": "x" * (2 << 20)}
    path.write_bytes(info.tobuf(tarfile.PAX_FORMAT) + bytes(1024) + data)
    with pytest.raises(CorruptError, match="an extended header of"):
        build(out, [f"A\t/\t{path}"])


def test_a_directory_that_is_there_twice_is_what_is_said_last(tmp_path: Path) -> None:
    first, second = (_member("d", tarfile.DIRTYPE) for _ in range(2))
    first[0].mode, second[0].mode, second[0].uid = 0o755, 0o700, 7
    path = tmp_path / "twice.tar"
    path.write_bytes(_tar(first, _member("d/a", data=b"x"), second))
    members = build(tmp_path, [f"A\t/\t{path}"]).members()
    assert (members["d"].mode, members["d"].uid) == (0o700, 7)


def test_attributes_are_kept_as_they_are_and_empty_ones_too(tmp_path: Path) -> None:
    # One without a value is one for Go's reader, and so for engines, for GNU tar and for bsdtar.
    records = {"SCHILY.xattr.user.empty": "", "SCHILY.xattr.user.lines": "a\n12 b=c\n\0"}
    path = tmp_path / "attributes.tar"
    path.write_bytes(_pax(records, b""))
    member = build(tmp_path, [f"A\t/\t{path}"]).members()["a"]
    assert member.pax_headers == records


def test_an_xz_stream_that_asks_for_much_memory_says_so(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.tar.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]
    path.write_bytes(lzma.compress(GOOD, filters=filters))
    with pytest.raises(LimitError, match=r"large\.tar\.xz .* memory"):
        build(out, [f"A\t/\t{path}"])


def test_a_sparse_file_is_refused_with_what_to_do(out: Path, tmp_path: Path) -> None:
    # As bsdtar writes files with holes, unless told otherwise.
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "7"}
    path = tmp_path / "sparse.tar"
    path.write_bytes(_pax(records, b"0\n".ljust(512, b"\0")))
    with pytest.raises(CorruptError, match="a sparse file") as caught:
        build(out, [f"A\t/\t{path}"])
    assert "bsdtar --no-read-sparse" in str(caught.value)


def test_of_two_archives_the_bad_one_is_named(out: Path, tmp_path: Path) -> None:
    (tmp_path / "good.tar").write_bytes(GOOD)
    (tmp_path / "bad.tar").write_bytes(GOOD[:700])
    lines = [f"A\t/\t{tmp_path}/{name}.tar" for name in ("good", "bad")]
    for order in (lines, lines[::-1]):
        with pytest.raises(CorruptError, match=r"bad\.tar"):
            build(out, order)
