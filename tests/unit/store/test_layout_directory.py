"""Layouts whose files are not what they should be are refused, and nobody waits for them."""

from __future__ import annotations

import _thread
import io
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.errors import InputError, LadingError, NotFoundError
from lading.oci import layout
from lading.oci.descriptor import Descriptor
from lading.store import layouts
from lading.store.layout_directory import Layout, directory_of
from tests.unit.store import tiny


@pytest.fixture
def root() -> Descriptor:
    return tiny.image(tiny.MemoryContent(), [tiny.layer({"a": b"x"})])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    content = tiny.MemoryContent()
    image = tiny.image(content, [tiny.layer({"a": b"x"})])
    layouts.write(tmp_path / "layout", image, content, ["v1"])
    return tmp_path / "layout"


_ODD: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a directory": os.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to another file": lambda path: path.symlink_to("/etc/hostname"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


def _read(directory: Path, root: Descriptor) -> bytes:
    found = Layout(directory)
    found.index()
    with found.open(root) as stream:
        return stream.read()


@pytest.mark.parametrize("odd", _ODD)
@pytest.mark.parametrize("name", [layout.MARKER_FILE, layout.INDEX_FILE, "blob"])
def test_what_is_no_file_is_refused_at_once(
    directory: Path, root: Descriptor, name: str, odd: str
) -> None:
    path = directory / (layout.blob_name(root.digest) if name == "blob" else name)
    path.unlink()
    _ODD[odd](path)
    with pytest.raises(LadingError, match=path.name):
        _read(directory, root)


def test_a_file_is_no_layout(tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    file.touch()
    with pytest.raises(NotFoundError, match=r"image\.tar is no OCI image layout"):
        Layout(file).index()


def test_a_blob_that_is_not_there_is_missing(directory: Path, root: Descriptor) -> None:
    path = directory / layout.blob_name(root.digest)
    path.unlink()
    with pytest.raises(NotFoundError, match="the layout is incomplete"):
        Layout(directory).open(root)
    shutil.rmtree(path.parent)
    path.parent.touch()
    with pytest.raises(NotFoundError, match="the layout is incomplete"):
        Layout(directory).open(root)


@pytest.mark.parametrize("name", ["blobs", layout.INDEX_FILE, layout.MARKER_FILE])
def test_no_repository_is_among_the_files_of_another(tmp_path: Path, name: str) -> None:
    assert directory_of(tmp_path, f"{name}/app") == tmp_path / "layouts" / name / "app"
    with pytest.raises(InputError, match="cannot be a directory below the store") as caught:
        directory_of(tmp_path, f"app/{name}")
    assert repr(name) in caught.value.fix


@pytest.mark.parametrize("odd", ["a pipe", "a device", "a link to itself"])
def test_a_blob_that_is_no_file_is_written_anew(
    directory: Path, root: Descriptor, odd: str
) -> None:
    path = directory / layout.blob_name(root.digest)
    path.unlink()
    _ODD[odd](path)
    content = tiny.MemoryContent()
    layouts.write(directory, tiny.image(content, [tiny.layer({"a": b"x"})]), content, ["v1"])
    assert not path.is_symlink()
    assert _read(directory, root) == content.blobs[root.digest]


def test_ctrl_c_leaves_no_temporary_file(tmp_path: Path) -> None:
    """Of two layers one is on its way when Ctrl-C comes; more of it would come for ever."""

    begun = threading.Event()

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            if not begun.is_set():
                begun.set()
                _thread.interrupt_main()
            time.sleep(0.01)
            return b"x"

    class Source(tiny.MemoryContent):
        def open(self, descriptor: Descriptor) -> Any:
            return Endless() if descriptor.size > 100_000 else super().open(descriptor)

    content = Source()
    image = tiny.image(content, [tiny.layer({"a": random.Random(1).randbytes(200_000)})])
    with pytest.raises(KeyboardInterrupt):
        layouts.write(tmp_path, image, content, ["v1"])
    assert not list((tmp_path / ".lading/tmp").iterdir())
    assert not (tmp_path / layout.INDEX_FILE).exists()
