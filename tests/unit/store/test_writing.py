"""Archives are written by several threads, and an error of any of them is an error."""

from __future__ import annotations

import errno
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from lading.errors import CorruptError
from lading.oci import layout
from lading.store import image as images
from lading.store import tarball, writing
from lading.store.archive import Archive, verify
from tests.unit.store import tiny


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.fixture(params=["alone", "side by side"])
def _threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "alone":
        monkeypatch.setattr(writing, "_LARGE", 1000)
        monkeypatch.setattr(writing, "_PAUSE", 0.0001)


both_ways = pytest.mark.usefixtures("_threads")


def _image(sizes: tuple[int, ...]) -> tuple[tiny.MemoryContent, images.Image]:
    content = tiny.MemoryContent()
    layers = [tiny.layer({str(n): bytes([n]) * size}, "none") for n, size in enumerate(sizes)]
    return content, images.read(content, tiny.image(content, layers))


def _write(path: Path, content: tiny.MemoryContent, image: images.Image, **more: Any) -> None:
    with path.open("w+b") as file:
        places = tarball.placed(tarball.members(image, ["a:b"], {layout.REF_NAME: "b"}))
        writing.write(file.fileno(), places, content, **more)
        assert os.fstat(file.fileno()).st_size == tarball.end_of(places)


@both_ways
@pytest.mark.parametrize(
    "sizes", [(0,), (5, 5000), (1, 70_000, 3, 9000, 600_000), (300_000,) * 5, (4000, 4096, 4097)]
)
def test_every_byte_is_in_its_place(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    content, image = _image(sizes)
    counts: list[int] = []
    _write(tmp_path / "a.tar", content, image, wrote=counts.append)
    assert sum(counts) == image.size
    with Archive(tmp_path / "a.tar") as archive:
        verify(archive, archive.image(), deep=True)
    with tarfile.open(tmp_path / "a.tar") as tar:
        for layer in image.layers:
            member = tar.getmember(layout.blob_name(layer.digest))
            assert member.offset_data % tarball.ALIGNMENT == 0
            assert tar.extractfile(member).read() == content.blobs[layer.digest]  # type: ignore[union-attr]
    # The same bytes, however many threads wrote them.
    _write(tmp_path / "b.tar", content, image)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@both_ways
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_wrong_blob_is_refused(tmp_path: Path, number: int) -> None:
    content, image = _image((5, 900_000, 5000))
    digest = image.layers[number].digest
    content.blobs[digest] = content.blobs[digest][:-1] + b"!"
    with pytest.raises(CorruptError, match=digest.hex):
        _write(tmp_path / "a.tar", content, image)


def _broken(code: int, calls: int = 0) -> Any:
    left = [calls]
    real = os.pwrite

    def fail(number: int, data: bytes, at: int) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(code, os.strerror(code))
        return real(number, data, at)

    return fail


@both_ways
@pytest.mark.parametrize("sizes", [(5, 900_000, 5000), (300_000,) * 5])
@pytest.mark.parametrize("calls", [0, 5, 7, 9])
def test_a_full_disk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int, sizes: tuple[int, ...]
) -> None:
    content, image = _image(sizes)
    monkeypatch.setattr(os, "pwrite", _broken(errno.ENOSPC, calls))
    with pytest.raises(OSError, match="No space left"):
        _write(tmp_path / "a.tar", content, image)


@both_ways
def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda number, data, at: real(number, data[: len(data) // 2 + 1], at)
    )
    content, image = _image((5, 900_000, 5000))
    _write(tmp_path / "a.tar", content, image)
    with Archive(tmp_path / "a.tar") as archive:
        verify(archive, archive.image())


def test_a_disk_that_fails_early_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later fsync of the same file would succeed."""
    failed = threading.Event()

    def broken(number: int) -> NoReturn:
        failed.set()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(writing, "_LARGE", 1000)
    monkeypatch.setattr(writing, "_PAUSE", 0.0)
    monkeypatch.setattr(os, "fdatasync", broken)
    content, image = _image((5, 900_000))
    with pytest.raises(OSError, match="put/output"):
        _write(tmp_path / "a.tar", content, image, wrote=lambda count: failed.wait(5) or None)


def test_a_disk_without_room_is_an_error_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int, start: int, size: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "_LARGE", 1000)
    monkeypatch.setattr(os, "posix_fallocate", full)
    content, image = _image((5000,))
    with pytest.raises(OSError, match="No space left"):
        _write(tmp_path / "a.tar", content, image)
    assert (tmp_path / "a.tar").stat().st_size == 0


def test_a_file_system_that_reserves_nothing_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(number: int, start: int, size: int) -> NoReturn:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(writing, "_LARGE", 1000)
    monkeypatch.setattr(os, "posix_fallocate", unknown)
    content, image = _image((5000,))
    _write(tmp_path / "a.tar", content, image)
    with Archive(tmp_path / "a.tar") as archive:
        verify(archive, archive.image())


@both_ways
def test_what_is_shared_is_checked_and_copied_when_it_is_wrong(tmp_path: Path) -> None:
    content, image = _image((20_000, 30_000))
    path = tmp_path / "a.tar"

    def share(place: tarball.Placed) -> bool:
        assert place.member.source is not None
        data = content.blobs[place.member.source.digest]
        if place.member.size < 25_000:
            data = bytes(len(data))
        with path.open("r+b") as file:
            file.seek(place.data_at)
            file.write(data)
        return True

    _write(path, content, image, share=share)
    with Archive(path) as archive:
        verify(archive, archive.image())
