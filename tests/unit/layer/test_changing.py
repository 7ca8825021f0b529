"""Files that change while they are read: a clear error, and nothing left behind."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.actions import describe
from lading.actions.worker import Request
from lading.errors import InputError
from lading.layer.reading import open_file
from tests.unit.layer.bench import build


@pytest.mark.parametrize("size", [10, 700_000, 5_000_000])
@pytest.mark.parametrize("change", [-1, 1, 100_000])
@pytest.mark.parametrize("estargz", [False, True])
def test_a_file_that_changes_its_size(
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    change: int,
    *,
    estargz: bool,
) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"x" * size)

    def then_change(size_of: Callable[..., Any]) -> Callable[..., Any]:
        def changing(*arguments: Any) -> Any:
            result = size_of(*arguments)
            os.truncate(path, max(size + change, 0))
            return result

        return changing

    # Small files and others are asked for their size in two ways.
    if size < 1000 and not estargz:
        monkeypatch.setattr(os, "lseek", then_change(os.lseek))
    else:
        monkeypatch.setattr("lading.layer.reading.open_file", then_change(open_file))
    with pytest.raises(InputError, match="growing changed while it was read"):
        build(out, [f"F\t/x\t{path}"], estargz=estargz)


class _Between:
    """Does something to a file between the first and the second read of it."""

    def __init__(self, path: Path, change: Callable[[], None]) -> None:
        self._name = str(path)
        self._change = change
        self.reads = 0

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for call in ("pread", "preadv"):
            monkeypatch.setattr(os, call, self._wrap(getattr(os, call)))

    def _wrap(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(fd: int, *arguments: Any) -> Any:
            if os.readlink(f"/proc/self/fd/{fd}") == self._name:
                self.reads += 1
                if self.reads == 2:
                    self._change()
            return read(fd, *arguments)

        return wrapped


def _overwrite(path: Path) -> None:
    """Other content in the middle, of the same size."""
    with path.open("r+b") as stream:
        stream.seek(_LARGE - 4096)
        stream.write(b"y" * 512)


def _overwrite_and_date_back(path: Path) -> None:
    before = path.stat()
    # The clock of a file system ticks a few hundred times a second.
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        _overwrite(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


_LARGE = 9_000_000
_WAYS = pytest.mark.parametrize(
    ("line", "options"),
    [
        ("F\t/x\t{}", {}),
        ("F\t/x\t{}", {"compression": ("zstd", "fast")}),
        ("F\t/x\t{}", {"compression": ("none", "fast")}),
        ("F\t/x\t{}", {"estargz": True}),
        ("A\t/\t{}", {}),
        ("R\t/\t{}", {}),
    ],
    ids=["gzip", "zstd", "none", "estargz", "archive", "recompressed"],
)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A large file, which is a tar of one too; dated 1970, so that any write to it shows."""
    path = tmp_path / "large.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("file")
        member.size = _LARGE
        archive.addfile(member, io.BytesIO(b"x" * _LARGE))
    os.utime(path, ns=(0, 0))
    return path


@_WAYS
@pytest.mark.parametrize("change", [_overwrite, _overwrite_and_date_back])
def test_a_large_file_that_keeps_its_size(
    out: Path,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    options: dict[str, Any],
    change: Callable[[Path], None],
) -> None:
    between = _Between(large, lambda: change(large))
    between.patch(monkeypatch)
    with pytest.raises(InputError, match=r"large\.tar changed while it was read"):
        build(out, [line.format(large)], **options)
    assert between.reads >= 2


@_WAYS
def test_a_large_file_that_gets_another_name_is_the_same(
    tmp_path: Path,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    options: dict[str, Any],
) -> None:
    (tmp_path / "one").hardlink_to(large)
    expected = build(tmp_path, [line.format(large)], **options)
    between = _Between(large, lambda: (tmp_path / "two").hardlink_to(large))
    between.patch(monkeypatch)
    assert build(tmp_path, [line.format(large)], **options).blob == expected.blob
    assert (tmp_path / "two").exists()


@pytest.mark.parametrize("kind", ["A", "R"])
def test_a_compressed_archive_that_changes_while_it_is_unpacked(
    out: Path, large: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # What is read of it is whole, so nothing but its times tells.
    packed = large.with_name("packed.tar.gz")
    packed.write_bytes(gzip.compress(large.read_bytes(), 1))
    os.utime(packed, ns=(0, 0))
    between = _Between(packed, lambda: os.utime(packed, ns=(5, 5)))
    between.patch(monkeypatch)
    with pytest.raises(InputError, match=r"packed\.tar\.gz changed while it was read"):
        build(out, [f"{kind}\t/\t{packed}"])
    assert between.reads >= 2


@pytest.mark.parametrize("opaque", [[], ["--opaque=1"]])
def test_an_archive_that_changes_while_it_is_described(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch, opaque: list[str]
) -> None:
    _Between(large, lambda: _overwrite(large)).patch(monkeypatch)
    with pytest.raises(InputError, match=r"large\.tar changed while it was read"):
        describe.run(Request([f"--blob={large}", f"--metadata={tmp_path}/m", *opaque]))
    assert not (tmp_path / "m").exists()
