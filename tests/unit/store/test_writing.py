"""Large files are written by several threads, and an error of any of them is an error."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import pytest

from lading.store import writing

#: Enough for threads, and more than the file gets in the end.
_LARGE = 1 << 20


@pytest.fixture(autouse=True)
def _flushes_often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(writing, "_FLUSH", 1000)
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def _blocks(count: int = 50) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number]) * (100 + number)


@pytest.mark.parametrize("size", [0, _LARGE])
def test_every_byte_is_written_in_order(tmp_path: Path, size: int) -> None:
    with (tmp_path / "file").open("w+b") as file:
        writing.write(file, _blocks(), size)
        assert file.tell() == sum(map(len, _blocks()))
    assert (tmp_path / "file").read_bytes() == b"".join(_blocks())


@pytest.mark.parametrize("size", [0, _LARGE])
@pytest.mark.parametrize("last", [0, 1, 30])
def test_what_the_blocks_raise_is_raised(tmp_path: Path, size: int, last: int) -> None:
    def broken() -> Iterator[bytes]:
        yield from _blocks(last)
        raise ValueError("no more")

    with (tmp_path / "file").open("w+b") as file, pytest.raises(ValueError, match="no more"):
        writing.write(file, broken(), size)


class _Full:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)

    def writelines(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self.write(block)

    def fileno(self) -> int:
        return self._file.fileno()


@pytest.mark.parametrize("size", [0, _LARGE])
@pytest.mark.parametrize("room", [0, 500, 6100])
def test_a_full_disk_is_an_error(tmp_path: Path, size: int, room: int) -> None:
    with (tmp_path / "file").open("w+b") as file, pytest.raises(OSError, match="No space left"):
        writing.write(cast("BinaryIO", _Full(file, room)), _blocks(), size)


def test_a_disk_that_fails_early_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later fsync of the same file would succeed."""

    def broken(number: int) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", broken)
    with (tmp_path / "file").open("w+b") as file, pytest.raises(OSError, match="put/output"):
        writing.write(file, _blocks(), _LARGE)


def test_a_disk_without_room_is_an_error_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int, start: int, size: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    blocks = _blocks()
    with (tmp_path / "file").open("w+b") as file, pytest.raises(OSError, match="No space left"):
        writing.write(file, blocks, _LARGE)
    assert next(blocks) == bytes(100)


def test_a_file_system_that_reserves_nothing_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(number: int, start: int, size: int) -> NoReturn:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unknown)
    with (tmp_path / "file").open("w+b") as file:
        writing.write(file, _blocks(), _LARGE)
    assert (tmp_path / "file").read_bytes() == b"".join(_blocks())
