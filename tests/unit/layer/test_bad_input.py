"""Sources that cannot be read: a clear error, and nothing left behind."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.errors import (
    ConflictError,
    DeniedError,
    InputError,
    LadingError,
    NotFoundError,
    StorageError,
)
from lading.layer import build as building
from lading.layer.collect import collect
from lading.layer.entries import Entry
from tests.unit.layer.bench import build, put


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


@contextlib.contextmanager
def _without_privileges() -> Iterator[None]:
    """Takes from root what lets it read everything, for this thread (capabilities(7)).

    Another user would do as well, but Bazel's sandbox has none.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0), 8)
    before = ctypes.create_string_buffer(24)
    assert libc.capget(header, before) == 0
    effective, *others = struct.unpack("6I", before.raw)
    # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
    without = ctypes.create_string_buffer(struct.pack("6I", effective & ~0b110, *others), 24)
    assert libc.capset(header, without) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


@pytest.mark.parametrize("line", ["F\t/x\t{}/secret", "T\t/x\t{}/tree", "A\t/\t{}/secret"])
def test_what_cannot_be_read(out: Path, tmp_path: Path, line: str) -> None:
    put(tmp_path, {"secret": "x", "tree/closed/file": "x"})
    (tmp_path / "secret").chmod(0)
    (tmp_path / "tree/closed").chmod(0)
    with _without_privileges():
        _refused(out, line.format(tmp_path), DeniedError, "cannot be read")
    (tmp_path / "tree/closed").chmod(0o755)


@pytest.mark.parametrize("line", ["F\t/x/file\t{}/tree/file", "T\t/x\t{}/tree"])
@pytest.mark.parametrize("estargz", [False, True])
def test_a_file_that_vanishes(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, *, estargz: bool
) -> None:
    put(tmp_path, {"tree/file": "x"})

    def collect_and_remove(*arguments: Any, **options: Any) -> list[Entry]:
        entries = collect(*arguments, **options)
        (tmp_path / "tree/file").unlink(missing_ok=True)
        return entries

    monkeypatch.setattr(building, "collect", collect_and_remove)
    with pytest.raises(NotFoundError, match="tree/file is not there"):
        build(out, [line.format(tmp_path)], estargz=estargz)


def test_a_link_whose_target_is_not_utf8(out: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.symlink(b"caf\xe9", tmp_path / "tree/link")
    match = r"b'caf\\xe9' from .*tree/link is not UTF-8"
    _refused(out, f"T\t/x\t{tmp_path}/tree", InputError, match)
    _refused(out, f"S\t/x\t{tmp_path}/tree/link", InputError, match)


def test_two_sources_for_one_path(out: Path, tmp_path: Path) -> None:
    put(tmp_path, {"one": "1", "tree/x": "2"})
    with pytest.raises(ConflictError) as caught:
        build(out, [f"T\t/etc\t{tmp_path}/tree", f"F\t/etc/x\t{tmp_path}/one"])
    for name in ("/etc/x", f"{tmp_path}/one", f"{tmp_path}/tree/x"):
        assert name in str(caught.value)


@pytest.mark.parametrize("path", ["etc/x", "/etc/../../x", "..", "/.."])
@pytest.mark.parametrize("kind", ["F", "T", "L", "D", "E", "A"])
def test_a_path_that_escapes(out: Path, tmp_path: Path, kind: str, path: str) -> None:
    source = "" if kind in ("D", "E") else f"\t{tmp_path}"
    _refused(out, f"{kind}\t{path}{source}", InputError, "not an absolute path|component")


@pytest.mark.parametrize("call", ["write", "link", "rename"])
def test_no_space_left(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    put(tmp_path, {"big": os.urandom(3_000_000)})

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    if call == "rename":
        # As on file systems that have no files without a name.
        monkeypatch.setattr("lading.layer.outputs._open_unnamed", lambda _: None)
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


@pytest.mark.parametrize("bad", ["blob", "metadata", "recipe"])
def test_an_output_that_cannot_have_its_name_leaves_none(out: Path, bad: str) -> None:
    # Found only at the very end: there is a directory where the output is to be.
    paths = {name: str(out / name) for name in ("blob", "metadata", "recipe")}
    (out / bad).mkdir()
    request = building.LayerRequest(
        paths["blob"], ["E\t/x"], metadata=paths["metadata"], recipe=paths["recipe"]
    )
    with pytest.raises(StorageError, match=f"{bad} cannot be written"):
        building.build_layer(request)
    assert os.listdir(out) == [bad]
    (out / bad).rmdir()


class _StopError(Exception):
    pass


def test_unpacking_stops_when_nobody_wants_the_layer(out: Path, tmp_path: Path) -> None:
    put(tmp_path, {"zeros": bytes(20 << 20)})
    with tarfile.open(tmp_path / "zeros.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(tmp_path / "zeros", "zeros")
    calls = itertools.count(1)

    def checkpoint() -> None:
        if next(calls) == 3:
            raise _StopError

    with pytest.raises(_StopError) as caught:
        build(out, [f"A\t/\t{tmp_path}/zeros.tar.gz"], checkpoint=checkpoint)
    assert any(entry.name == "read_archive" for entry in caught.traceback)


@pytest.mark.parametrize("unnamed", [True, False])
def test_an_output_replaces_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unnamed: bool
) -> None:
    if not unnamed:
        monkeypatch.setattr("lading.layer.outputs._open_unnamed", lambda _: None)
    (tmp_path / "layer.blob").write_bytes(b"of before")
    build(tmp_path, ["E\t/x"])
    assert sorted(os.listdir(tmp_path)) == ["layer.blob", "layer.json"]
