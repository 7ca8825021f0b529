"""Tar headers, read back by Python's tarfile."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import LimitError
from lading.layer.entries import DIRECTORY, FILE, SYMLINK, Entry, Meta
from lading.layer.tar import END, MAX_HEADER, Headers

# Any name a file system and a tar header allow, weighted towards the interesting lengths.
_component = st.one_of(
    st.text("abcXYZ-._ ", min_size=1, max_size=12),
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=9
    ),
    st.integers(90, 160).map(lambda length: "n" * length),
)
_path = (
    st.lists(_component.filter(lambda part: part not in (".", "..")), min_size=1, max_size=6)
    .map("/".join)
    .filter(lambda path: len(path.encode()) < 4000)
)
_name = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"), max_size=40)
_id = st.one_of(st.integers(0, 70000), st.integers(2**21 - 2, 2**21 + 2), st.just(2**32 - 2))
_meta = st.builds(
    Meta,
    st.integers(0, 0o7777),
    _id,
    _id,
    _name,
    _name,
    st.one_of(st.just(0), st.integers(0, 2**33 + 2), st.integers(-5, 5)),
    st.dictionaries(
        st.text("abc.", min_size=1, max_size=9).map("SCHILY.xattr.user.".__add__), _name, max_size=2
    ).map(lambda records: tuple(sorted(records.items()))),
)
_size = st.one_of(st.integers(0, 5000), st.integers(2**33 - 2, 2**33 + 2))


def _read(header: bytes) -> tarfile.TarInfo:
    assert len(header) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(header + END), mode="r:") as archive:
        member = archive.next()
    assert member is not None
    return member


def _check(member: tarfile.TarInfo, entry: Entry, size: int) -> None:
    meta = entry.meta
    assert member.name == entry.path
    assert member.size == size
    assert (member.mode, member.uid, member.gid) == (meta.mode, meta.uid, meta.gid)
    assert (member.uname, member.gname, member.mtime) == (meta.uname, meta.gname, meta.mtime)
    for key, value in meta.pax:
        assert member.pax_headers[key] == value


@given(_path, _meta, _size)
def test_a_file_reads_back_as_it_was(path: str, meta: Meta, size: int) -> None:
    entry = Entry(path, FILE, meta)
    member = _read(Headers().header(entry, size))
    assert member.isreg()
    _check(member, entry, size)


@given(_path, _meta)
def test_a_directory_reads_back_as_it_was(path: str, meta: Meta) -> None:
    entry = Entry(path, DIRECTORY, meta)
    header = Headers().header(entry, 0)
    member = _read(header)
    assert member.isdir()
    _check(member, entry, 0)


@given(_path, _path, _meta)
def test_links_read_back_as_they_were(path: str, target: str, meta: Meta) -> None:
    symlink = Entry(path, SYMLINK, meta, link=target)
    member = _read(Headers().header(symlink, 0))
    assert member.issym()
    assert member.linkname == target
    _check(member, symlink, 0)
    file = Entry(path, FILE, meta)
    member = _read(Headers().header(file, 0, target))
    assert member.islnk()
    assert member.linkname == target
    _check(member, file, 0)


@pytest.mark.parametrize("path", ["a", "a" * 100, "p" * 155 + "/" + "n" * 100])
def test_pax_is_not_used_where_ustar_is_enough(path: str) -> None:
    assert len(Headers().header(Entry(path, FILE, Meta(0o755)), 0)) == 512


@pytest.mark.parametrize(
    ("path", "meta", "size"),
    [
        ("a" * 101, Meta(0o755), 0),
        ("d" * 156 + "/a", Meta(0o755), 0),
        ("é", Meta(0o755), 0),
        ("a", Meta(0o755, uid=2**21), 0),
        ("a", Meta(0o755, gname="g" * 32), 0),
        ("a", Meta(0o755), 2**33),
    ],
)
def test_pax_is_used_where_ustar_cannot_say_it(path: str, meta: Meta, size: int) -> None:
    header = Headers().header(Entry(path, FILE, meta), size)
    assert len(header) > 512
    assert header[156:157] == b"x"
    assert header.isascii() == path.isascii()


def test_a_directory_of_100_bytes_keeps_its_slash_in_the_name() -> None:
    header = Headers().header(Entry("d" * 60 + "/" + "e" * 39, DIRECTORY, Meta(0o755)), 0)
    assert len(header) == 512
    assert header[:41] == b"e" * 39 + b"/\0"


def test_the_record_length_counts_its_own_digits() -> None:
    # Around 100 and 1000 bytes, the length's own digits decide how many digits it has.
    for length in (*range(80, 110), *range(980, 1010)):
        meta = Meta(0o755, pax=(("k", "v" * length),))
        assert _read(Headers().header(Entry("a", FILE, meta), 0)).pax_headers["k"] == "v" * length


def test_binary_values_of_attributes_survive() -> None:
    value = bytes(range(1, 256))
    meta = Meta(
        0o755, pax=(("SCHILY.xattr.security.capability", value.decode(errors="surrogateescape")),)
    )
    assert value in Headers().header(Entry("a", FILE, meta), 0)


def test_no_header_is_larger_than_its_limit() -> None:
    # Buffers have room for so much.
    sizes = []
    for length in range(MAX_HEADER - 2048, MAX_HEADER):
        meta = Meta(0o755, pax=(("SCHILY.xattr.user.k", "v" * length),))
        try:
            sizes.append(len(Headers().header(Entry("x", FILE, meta), 0)))
        except LimitError:
            break
    assert max(sizes) == MAX_HEADER - 512


def test_attributes_beyond_the_limit_are_refused() -> None:
    meta = Meta(0o755, pax=(("SCHILY.xattr.user.k", "v" * 70_000),))
    with pytest.raises(LimitError, match="/app/x take 7"):
        Headers().header(Entry("app/x", FILE, meta), 0)
