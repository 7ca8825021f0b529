"""Sources that cannot be read: a clear error, and nothing left behind."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.errors import DeniedError, InputError, LadingError, NotFoundError, StorageError
from lading.layer import build as building
from lading.layer.reading import open_file
from tests.unit.layer.bench import build, put


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """A directory for outputs, which has to be empty in the end."""
    directory = tmp_path / "out"
    directory.mkdir()
    yield directory
    assert list(directory.iterdir()) == []


def _refused(out: Path, line: str, kind: type[LadingError], match: str) -> None:
    with pytest.raises(kind, match=match) as caught:
        build(out, ["E\t/ok", line])
    assert len(str(caught.value).splitlines()) <= 2


def test_a_missing_file(out: Path, tmp_path: Path) -> None:
    _refused(out, f"F\t/x\t{tmp_path}/gone", NotFoundError, "gone is not there")
    os.symlink("nowhere", tmp_path / "dangling")
    _refused(out, f"F\t/x\t{tmp_path}/dangling", NotFoundError, "dangling is not there")


def test_special_files(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    _refused(out, f"F\t/x\t{tmp_path}/pipe", InputError, "pipe is a special file")
    _refused(out, "F\t/x\t/dev/zero", InputError, "/dev/zero is a special file")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)
        listener.bind("socket")
        _refused(out, "F\t/x\tsocket", StorageError, "socket cannot be read")


def test_a_pipe_that_somebody_writes_to(out: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    keep = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(keep, b"data")
    _refused(out, f"F\t/x\t{tmp_path}/pipe", InputError, "pipe is a special file")
    os.close(keep)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(out: Path, tmp_path: Path) -> None:
    put(tmp_path, {"secret": "x"})
    (tmp_path / "secret").chmod(0)
    _refused(out, f"F\t/x\t{tmp_path}/secret", DeniedError, "secret cannot be read")


@pytest.mark.parametrize("size", [10, 700_000, 5_000_000])
@pytest.mark.parametrize("change", [-1, 1, 100_000])
def test_a_file_that_changes_while_it_is_read(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, change: int
) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"x" * size)

    def open_and_change(name: str) -> tuple[int, int]:
        result = open_file(name)
        os.truncate(path, max(size + change, 0))
        return result

    monkeypatch.setattr("lading.layer.page.open_file", open_and_change)
    _refused(out, f"F\t/x\t{path}", InputError, "growing changed while it was read")


@pytest.mark.parametrize("call", ["write", "rename"])
def test_no_space_left(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    put(tmp_path, {"big": os.urandom(3_000_000)})

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    _refused(out, f"F\t/x\t{tmp_path}/big", StorageError, "No space left on device")


def test_an_output_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        build(tmp_path / "gone", ["E\t/x"])


def test_outputs_of_an_earlier_build_stay_when_the_next_one_fails(tmp_path: Path) -> None:
    first = build(tmp_path, ["E\t/x"])
    with pytest.raises(NotFoundError):
        build(tmp_path, ["F\t/x\t/nonexistent/file"])
    assert (tmp_path / "layer.blob").read_bytes() == first.blob


def test_a_failure_of_the_second_output_leaves_none(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageError("no")

    monkeypatch.setattr(building, "write_output", fail)
    _refused(out, "E\t/x", StorageError, "no")
