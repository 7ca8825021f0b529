"""What a worker has kept, or was told, and is not so any more; what it may take to keep it."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from pathlib import Path
from typing import Any

import pytest

from lading.errors import InputError, NotFoundError, StorageError
from lading.layer.frames import Cutter
from lading.layer.kept import FrameCache
from lading.layer.lay import lay
from lading.layer.tar import BLOCK
from tests.unit.layer.bench import build
from tests.unit.layer.kept_tree import KINDS, Tree, content, many


def test_a_file_without_a_digest_is_read_each_time(tmp_path: Path) -> None:
    tree = many(tmp_path)
    tree.unknown = {"f050"}
    tree.check()
    status = (tmp_path / "src/f050").stat()
    tree.put("f050", b"x" * status.st_size)
    os.utime(tmp_path / "src/f050", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert tree.check().content("f050") == b"x" * status.st_size


def test_a_file_that_changed_after_bazel_looked_at_it_is_not_kept(tmp_path: Path) -> None:
    tree = many(tmp_path)
    tree.check()
    stated = tree.inputs() | {
        f"{tmp_path}/src/f050": hashlib.sha256(b"of before").hexdigest(),
        f"{tmp_path}/src/f100b": hashlib.sha256(b"of before, too").hexdigest(),
    }
    tree.warm(inputs=stated)
    # Now the files are what Bazel said.
    tree.put("f050", b"of before")
    tree.put("f100b", b"of before, too")
    assert tree.check().content("f050") == b"of before"


@pytest.mark.parametrize("size", [100, 50_000])
def test_files_that_were_equal_when_bazel_looked_are_laid_as_they_are(
    tmp_path: Path, size: int
) -> None:
    tree = many(tmp_path)
    for name in ("f010", "f011", "f012"):
        tree.put(name, content(1, size))
    stated = tree.inputs()
    tree.put("f010", content(2, size))
    tree.put("f012", content(3, size))
    warm = tree.warm(inputs=stated)
    cold = build(tmp_path / "cold", tree.lines(), compression=tree.compression())
    assert warm.blob == cold.blob
    tree.check()


@pytest.mark.parametrize("name", ["f050", "f100b"])
def test_a_file_without_a_digest_that_changes_once_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    tree = many(tmp_path)
    tree.unknown = {name}

    def after_a_change(*arguments: Any) -> Any:
        tree.put(name, content(99, len(tree.files[name])))
        return lay(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("lading.layer.keeper.lay", after_a_change)
        with pytest.raises(InputError, match=f"{name} changed while it was read"):
            tree.warm()
    assert list((tmp_path / "out").iterdir()) == []
    tree.check()


_CHANGES = pytest.mark.parametrize("change", ["byte", "longer", "much longer", "shorter", "gone"])


def _change(tree: Tree, name: str, change: str) -> None:
    before = tree.files[name]
    after = {
        "byte": b"#" + before[1:],
        "longer": before + b"#",
        "much longer": before + bytes(400_000),
        "shorter": before[:-1],
    }
    tree.put(name, after.get(change, b""))
    if change == "gone":
        (tree.root / "src" / name).unlink()


@_CHANGES
@pytest.mark.parametrize("kind", KINDS)
def test_a_large_file_behind_a_change_that_is_not_what_bazel_says(
    tmp_path: Path, change: str, kind: str
) -> None:
    # Its frame is kept, and read again for what follows the change.
    tree = many(tmp_path, kind)
    tree.check()
    tree.put("f000", b"changed")
    stated = tree.inputs()
    _change(tree, "f100b", change)
    if change == "gone":
        with pytest.raises(NotFoundError, match="f100b is not there"):
            tree.warm(inputs=stated)
        assert list((tmp_path / "out").iterdir()) == []
        return
    warm = tree.warm(inputs=stated)
    cold = build(tmp_path / "cold", tree.lines(), compression=tree.compression())
    assert warm.blob == cold.blob
    tree.check()


@_CHANGES
@pytest.mark.parametrize("kind", KINDS)
def test_a_small_file_behind_a_change_is_what_bazel_says(
    tmp_path: Path, opened: list[str], change: str, kind: str
) -> None:
    # Its frame is kept as well, and uncompressed for what follows the change.
    tree = many(tmp_path, kind)
    tree.check()
    tree.put("f000", b"changed")
    cold = build(tmp_path / "cold", tree.lines(), compression=tree.compression())
    stated = tree.inputs()
    before = tree.files["f150"]
    _change(tree, "f150", change)
    opened.clear()
    assert tree.warm(inputs=stated).blob == cold.blob
    assert "f000" in opened
    assert "f150" not in opened
    tree.put("f150", before)
    tree.check()


def test_a_file_that_fills_the_buffer_before_many_headers(tmp_path: Path) -> None:
    # Frames as they really are: the headers fit one, and not what is left of a buffer then.
    tree = Tree(tmp_path, target=1 << 20)
    tree.put("a", content(1, 600_000))
    tree.put("b", content(4, 500_000))
    tree.more = [f"L\t/c{number:03}\tb" for number in range(20)]
    tree.check()
    tree.put("a", content(2, 600_000))
    stated = tree.inputs()
    tree.put("b", content(3, Cutter(1 << 20).capacity - 12 * BLOCK))
    warm = tree.warm(inputs=stated)
    cold = build(tmp_path / "cold", tree.lines(), compression=tree.compression())
    assert warm.blob == cold.blob


@pytest.mark.parametrize("change", ["byte", "truncate"])
def test_a_blob_that_was_changed_in_place_is_not_used(tmp_path: Path, change: str) -> None:
    tree = many(tmp_path)
    tree.check()
    blob = tmp_path / "out/layer.blob"
    if change == "byte":
        with blob.open("r+b") as stream:
            stream.seek(blob.stat().st_size // 2)
            stream.write(b"??")
    else:
        os.truncate(blob, 1000)
    tree.check()


def test_a_failure_keeps_what_was_there(tmp_path: Path, opened: list[str]) -> None:
    tree = many(tmp_path)
    tree.check()
    tree.more = ["F\t/z\t/nonexistent"]
    with pytest.raises(NotFoundError):
        tree.warm()
    assert list((tmp_path / "out").iterdir()) == []
    tree.more = []
    opened.clear()
    tree.warm()
    assert opened == []


def test_memory_is_bounded(tmp_path: Path, opened: list[str]) -> None:
    tree = many(tmp_path, cache=FrameCache(0))
    tree.check()
    opened.clear()
    tree.warm()
    assert len(set(opened)) == len(tree.files)

    kept = FrameCache(1 << 20)
    for number in range(30):
        other = many(tmp_path / str(number), cache=kept)
        other.warm()
    assert 0 < sum(layer.memory for layer in kept._layers.values()) <= kept.limit


def test_disk_taken_by_deleted_outputs_is_bounded(tmp_path: Path) -> None:
    cache = FrameCache(100_000)
    (tmp_path / "big").write_bytes(random.Random(1).randbytes(6_000_000))
    line = f"F\t/big\t{tmp_path}/big"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        build(tmp_path / name, [line], compression=("none", "fast"), inputs={}, cache=cache)
    assert len(cache._layers) == 2
    # Bazel deletes an output before it is built again, or for good.
    (tmp_path / "one/layer.blob").unlink()
    build(tmp_path / "two", [line], compression=("none", "fast"), inputs={}, cache=cache)
    assert list(cache._layers) == [f"{tmp_path}/two/layer.blob"]


def test_a_full_disk_frees_deleted_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = many(tmp_path)
    tree.check()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(StorageError):
            tree.warm()
    assert not tree.cache._layers
    tree.check()


def test_descriptors_are_closed(tmp_path: Path) -> None:
    tree = many(tmp_path)
    tree.warm()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(5):
        tree.put("f000", b"%d" % number)
        tree.warm()
    assert len(os.listdir("/proc/self/fd")) == before
    tree.cache.put(str(tmp_path / "out/layer.blob"), None)
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_without_a_descriptor_to_spare_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = many(tmp_path)

    def dup(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", dup)
        tree.check()
    assert tree.cache.get(str(tmp_path / "out/layer.blob"), tree.compression()) is None
    tree.check()
