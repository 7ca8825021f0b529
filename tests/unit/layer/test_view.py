"""An image's files, seen through its layers without unpacking them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable

import pytest
import zstandard

from lading.errors import CorruptError
from lading.layer.view import View

_MIB = 1 << 20


def _layer(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _view(*layers: bytes) -> View:
    return View([lambda layer=layer: io.BytesIO(layer) for layer in layers])  # type: ignore[misc]


def test_directories_may_be_as_deep_as_a_path_can_say() -> None:
    deep = "/".join(["d"] * 2000)
    view = _view(_layer((f"{deep}/file", b"x"), ("other", b"")))
    paths = [path for path, _ in view.walk()]
    assert len(paths) == 2002
    assert paths[-2:] == [f"/{deep}/file", "/other"]

    hidden = _view(_layer((f"{deep}/file", b"x"), ("other", b"")), _layer((".wh.d", b"")))
    assert [path for path, _ in hidden.walk()] == ["/other"]


def test_a_path_that_no_engine_could_unpack_is_refused() -> None:
    with pytest.raises(CorruptError, match="a name of 4098 bytes"):
        _view(_layer(("d" * 4098, b"")))


class _Slow(io.BytesIO):
    """Gives one byte, as a network may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(1, size or 0))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_layer_that_arrives_slowly(pack: Callable[[bytes], bytes]) -> None:
    layer = pack(_layer(("a", b"x")))
    view = View([lambda: _Slow(layer)])
    node = view.find("/a")
    assert node is not None
    assert view.read(node, limit=1) == b"x"


def test_walking_lists_a_directory_before_what_it_holds_and_names_in_order() -> None:
    view = _view(_layer(("b/y", b""), ("b/x", b""), ("a", b""), ("b.txt", b"")))
    assert [path for path, _ in view.walk()] == ["/a", "/b", "/b/x", "/b/y", "/b.txt"]


def test_the_head_of_a_large_file_is_all_of_it_that_is_read() -> None:
    """A program of gigabytes is looked at for its loader: that must not take gigabytes."""

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            taken.append(len(data))
            return data

    layer = _layer(("program", b"\x7fELF" + bytes(16 * _MIB)), ("after", b""))
    taken: list[int] = []
    view = View([lambda: Counted(layer)])
    program = view.find("/program")
    assert program is not None
    taken.clear()
    assert view.head(program, 4) == b"\x7fELF"
    assert sum(taken) <= 2 * _MIB
    assert len(view.head(program, 64 * _MIB)) == program.size
