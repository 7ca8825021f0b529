"""Nix archives and objects of a store in layers; archives are those of a real export."""

from __future__ import annotations

import hashlib
import os
import resource
import tarfile
from pathlib import Path

import pytest

from lading.errors import CorruptError, InputError, LadingError
from lading.layer.build import LayerRequest, build_layer
from lading.layer.compress import Compression
from lading.layer.nar import NarReader
from lading.layer.objects import hash_object
from lading.nix import export

_EXPORT = Path(__file__).parent / "recorded/app.export"
_APP = "94vpwyny0s0qglqq252g14ijyvy1nrjy-app-1"
_LIB = "gvx13ypr59cb6zfbkyca0hr2ckn7ka15-lib-1"
_PLACE = "nix/store"


@pytest.fixture
def nars(tmp_path: Path) -> Path:
    directory = tmp_path / "nars"
    directory.mkdir()
    export.split(_EXPORT, directory, what="app.export")
    return directory


def layer(
    tmp_path: Path, *sources: str, metadata: str = ""
) -> list[tuple[str, int, int, str, bytes]]:
    """Builds a layer and returns (path, mode, time, link, content) of its entries."""
    output = tmp_path / "layer.tar"
    request = LayerRequest(
        str(output), list(sources), compression=Compression("none"), default_metadata=metadata
    )
    build_layer(request)
    with tarfile.open(output) as archive:
        return [
            (member.name, member.mode, int(member.mtime), member.linkname,
             archive.extractfile(member).read() if member.isreg() else b"")  # type: ignore[union-attr]
            for member in archive
        ]  # fmt: skip


def unpack(nar: Path, directory: Path) -> Path:
    """What a Nix store has of an archive, made by hand."""
    with open(nar, "rb") as stream:
        for inner, kind, runs, target, offset, size in NarReader(
            stream.fileno(), 0, what=""
        ).nodes():
            path = directory / inner if inner else directory
            if kind == "5":
                path.mkdir()
            elif kind == "2":
                path.symlink_to(os.fsdecode(target))
            else:
                path.write_bytes(os.pread(stream.fileno(), size, offset))
                path.chmod(0o555 if runs else 0o444)
    return directory


def test_an_archive_is_laid_as_nix_has_it_in_its_store(tmp_path: Path, nars: Path) -> None:
    found = layer(tmp_path, f"N\t/{_PLACE}/{_LIB}\t{nars}/{_LIB}.nar")
    assert found == [
        ("nix", 0o755, 0, "", b""),
        ("nix/store", 0o755, 0, "", b""),
        (f"nix/store/{_LIB}", 0o555, 1, "", b""),
        (f"nix/store/{_LIB}/empty", 0o555, 1, "", b""),
        (f"nix/store/{_LIB}/lib", 0o555, 1, "", b""),
        (f"nix/store/{_LIB}/lib/lib.so", 0o444, 1, "", b"library\n"),
        (f"nix/store/{_LIB}/lib/lib.so.1", 0o777, 1, "lib.so", b""),
    ]


def test_programs_keep_the_right_to_run(tmp_path: Path, nars: Path) -> None:
    found = layer(tmp_path, f"N\t/{_PLACE}/{_APP}\t{nars}/{_APP}.nar")
    modes = {name.rpartition("/")[2]: mode for name, mode, *_ in found}
    assert (modes["app"], modes["self"]) == (0o555, 0o444)


def test_an_object_that_is_one_file_is_an_entry(tmp_path: Path, nars: Path) -> None:
    base = "spmv8gzvy2yy8xg5gyr501rz8yp38c8w-config.txt"
    found = layer(tmp_path, f"N\t/{_PLACE}/{base}\t{nars}/{base}.nar")
    assert found[-1] == (f"nix/store/{base}", 0o444, 1, "", b"hello from a file\n")


@pytest.mark.parametrize("base", [_APP, _LIB])
def test_an_archive_and_a_store_give_the_same_layer(tmp_path: Path, nars: Path, base: str) -> None:
    store = unpack(nars / f"{base}.nar", tmp_path / base)
    from_store = layer(tmp_path, f"O\t/{_PLACE}/{base}\t{store}")
    assert from_store == layer(tmp_path, f"N\t/{_PLACE}/{base}\t{nars}/{base}.nar")


@pytest.mark.parametrize("base", [_APP, _LIB])
def test_the_hash_of_an_object_is_that_of_its_archive(
    tmp_path: Path, nars: Path, base: str
) -> None:
    data = (nars / f"{base}.nar").read_bytes()
    expected = hashlib.sha256(data).hexdigest(), len(data)
    assert hash_object(str(unpack(nars / f"{base}.nar", tmp_path / base))) == expected


@pytest.mark.parametrize("kind", "NO")
def test_an_object_without_its_hash_is_refused(tmp_path: Path, nars: Path, kind: str) -> None:
    nar = nars / f"{_LIB}.nar"
    data = nar.read_bytes()
    right = f"{hashlib.sha256(data).hexdigest()}:{len(data)}"
    source = nar if kind == "N" else unpack(nar, tmp_path / _LIB)
    place = f"/{_PLACE}/{_LIB}"
    assert layer(tmp_path, f"{kind}\t{place}\t{source}", f"V\t{place}\t{right}")
    if kind == "N":
        nar.write_bytes(data.replace(b"library", b"LIBRARY"))
    else:
        (source / "lib/lib.so").chmod(0o644)
        (source / "lib/lib.so").write_bytes(b"LIBRARY\n")
    with pytest.raises(CorruptError, match=rf"{_LIB} has the NAR hash sha256:.*its closure says"):
        layer(tmp_path, f"{kind}\t{place}\t{source}", f"V\t{place}\t{right}")
    with pytest.raises(CorruptError, match=rf"{_LIB} has 816 bytes as a NAR, .* says 817"):
        layer(tmp_path, f"{kind}\t{place}\t{source}", f"V\t{place}\t{right[:-3]}817")


def test_owner_and_time_can_be_changed_and_the_mode_cannot(tmp_path: Path, nars: Path) -> None:
    source = f"N\t/{_PLACE}/{_LIB}\t{nars}/{_LIB}.nar"
    found = layer(tmp_path, source, metadata='{"mode":"0700","mtime":5}')
    assert all(time == 5 and mode != 0o700 for _, mode, time, *_ in found[2:])


def test_an_object_in_conflict_with_a_file_is_refused(tmp_path: Path, nars: Path) -> None:
    source = f"N\t/{_PLACE}/{_LIB}\t{nars}/{_LIB}.nar"
    with pytest.raises(LadingError, match=r"lib/lib\.so comes from two sources"):
        layer(tmp_path, source, f"E\t/{_PLACE}/{_LIB}/lib/lib.so")


def test_a_socket_in_a_store_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a special file"):
        hash_object(str(tmp_path))


def test_a_store_path_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LadingError, match="is not there"):
        layer(tmp_path, f"O\t/{_PLACE}/{_LIB}\t{tmp_path}/gone")


def word(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + bytes(-len(text) % 8)


def archive(*words: bytes) -> bytes:
    return b"".join(word(text) for text in (b"nix-archive-1", *words))


def entry(name: bytes) -> tuple[bytes, ...]:
    node = (b"(", b"type", b"regular", b"contents", b"", b")")
    return (b"entry", b"(", b"name", name, b"node", *node, b")")


_DIRECTORY = (b"(", b"type", b"directory")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 64,
        archive(),
        archive(b"(", b"type", b"fifo", b")"),
        archive(b"(", b"type", b"symlink", b"target", b"", b")"),
        archive(b"(", b"type", b"symlink", b"target", b"a\0b", b")"),
        archive(*_DIRECTORY, *entry(b".."), b")"),
        archive(*_DIRECTORY, *entry(b"."), b")"),
        archive(*_DIRECTORY, *entry(b""), b")"),
        archive(*_DIRECTORY, *entry(b"a/b"), b")"),
        archive(*_DIRECTORY, *entry(b"a\0"), b")"),
        archive(*_DIRECTORY, *entry(b"b"), *entry(b"a"), b")"),
        archive(*_DIRECTORY, *entry(b"a"), *entry(b"a"), b")"),
        archive(*_DIRECTORY, b"other", b")"),
        archive(*_DIRECTORY, b")") + b"x",
        archive(b"(", b"type", b"regular", b"contents") + (1 << 62).to_bytes(8, "little"),
        archive(*_DIRECTORY) + (1 << 62).to_bytes(8, "little"),
        archive(b"(", b"type", b"regular", b"contents") + b"\xff" * 8,
        archive(*((*_DIRECTORY, b"entry", b"(", b"name", b"a" * 4000, b"node")) * 2),
        archive(*((*_DIRECTORY, b"entry", b"(", b"name", b"a", b"node")) * 1025),
        archive(b"(", b"type", b"symlink", b"target", b"a", b")")[:-1] + b"x",
    ],
)
def test_hostile_and_damaged_archives_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.nar").write_bytes(data)
    with pytest.raises(CorruptError, match=r"bad\.nar is no Nix archive"):
        layer(tmp_path, f"N\t/{_PLACE}/{_LIB}\t{tmp_path}/bad.nar")
    assert not (tmp_path / "layer.tar").exists()


def test_a_link_to_what_is_no_text_is_refused(tmp_path: Path) -> None:
    nar, link = tmp_path / "odd.nar", tmp_path / "odd"
    nar.write_bytes(archive(b"(", b"type", b"symlink", b"target", b"caf\xe9", b")"))
    link.symlink_to(os.fsdecode(b"caf\xe9"))
    for source in (f"N\t/{_PLACE}/{_LIB}\t{nar}", f"O\t/{_PLACE}/{_LIB}\t{link}"):
        with pytest.raises(InputError, match="is not UTF-8"):
            layer(tmp_path, source)


def test_every_cut_of_an_archive_is_refused(tmp_path: Path, nars: Path) -> None:
    data = (nars / f"{_LIB}.nar").read_bytes()
    for place in range(0, len(data), 8):
        (tmp_path / "cut.nar").write_bytes(data[:place])
        with pytest.raises(CorruptError):
            layer(tmp_path, f"N\t/{_PLACE}/{_LIB}\t{tmp_path}/cut.nar")


@pytest.mark.parametrize("estargz", [False, True])
def test_more_objects_than_files_may_be_open(tmp_path: Path, estargz: bool) -> None:
    """Each is open only while it is read; some hold what others hold (the same path twice)."""
    node = (b"(", b"type", b"regular", b"contents")
    count, sources = 300, []
    for number in range(count):
        nar = tmp_path / f"{number}.nar"
        nar.write_bytes(archive(*node, b"content %d" % number, b")"))
        sources.append(f"N\t/{_PLACE}/object-{number}\t{nar}")
    twin = tmp_path / "twin.nar"
    twin.write_bytes((tmp_path / "7.nar").read_bytes())
    sources.append(f"N\t/{_PLACE}/object-7\t{twin}")
    output = tmp_path / "layer.tar"
    compression = Compression("gzip" if estargz else "none")
    request = LayerRequest(str(output), sources, compression=compression, estargz=estargz)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count // 2, hard))
    try:
        build_layer(request)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with tarfile.open(output) as opened:
        found = {
            member.name: opened.extractfile(member).read()  # type: ignore[union-attr]
            for member in opened
            if member.isreg() and member.name.startswith(_PLACE)
        }
    assert found == {f"{_PLACE}/object-{n}": b"content %d" % n for n in range(count)}
