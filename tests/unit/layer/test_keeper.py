"""Layers of a worker: the bytes of a cold build, from as little reading as the change allows."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.errors import NotFoundError, StorageError
from lading.layer.compress import Compression
from lading.layer.kept import FrameCache
from tests.unit.layer.bench import Built, build

#: Frames of this size on average make a layer of a few files a layer of many frames.
_TARGET = 16 << 10
_KINDS = ["gzip", "zstd", "none"]


def _content(seed: int, size: int) -> bytes:
    words = random.Random(seed).choices(
        [b"layer ", b"frame ", b"\0\0\0\0", b"digest\n"], k=size // 4
    )
    return b"".join(words)[:size].ljust(size, bytes([65 + seed % 26]))


@dataclass
class _Tree:
    """Files as a rule would name them, in a directory, and a worker that builds them."""

    root: Path
    kind: str = "gzip"
    target: int = _TARGET
    form: Callable[[str], str] = str
    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    cache: FrameCache = field(default_factory=lambda: FrameCache(1 << 30))
    more: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.root / "out").mkdir(parents=True)
        (self.root / "cold").mkdir()

    def put(self, name: str, data: bytes) -> None:
        path = self.root / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.files[name] = data

    def compression(self) -> Compression:
        return Compression(self.kind, target=self.target)

    def lines(self) -> list[str]:
        files = [f"F\t/{name}\t{self.root}/src/{name}" for name in self.files]
        return [*files, *(f"M\t/{name}\t{meta}" for name, meta in self.modes.items()), *self.more]

    def inputs(self) -> dict[str, str]:
        return {
            f"{self.root}/src/{name}": ""
            if name in self.unknown
            else self.form(hashlib.sha256(data).hexdigest())
            for name, data in self.files.items()
        }

    def warm(self, **options: Any) -> Built:
        """Builds in the worker, where Bazel has removed the outputs of before."""
        for path in (self.root / "out").iterdir():
            path.unlink()
        options = {"inputs": self.inputs(), "cache": self.cache, **options}
        return build(self.root / "out", self.lines(), compression=self.compression(), **options)

    def check(self) -> Built:
        """Builds in the worker and without one: the same bytes."""
        warm = self.warm()
        cold = build(self.root / "cold", self.lines(), compression=self.compression())
        assert warm.metadata == cold.metadata
        assert warm.blob == cold.blob
        return warm


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    names: list[str] = []
    system = os.open

    def recorded(path: str, *arguments: Any, **options: Any) -> int:
        if "/src/" in path:
            names.append(os.path.basename(path))
        return system(path, *arguments, **options)

    monkeypatch.setattr(os, "open", recorded)
    return names


@pytest.fixture
def compressed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the frames that are compressed."""
    sizes: list[int] = []
    compressor = Compression.compressor

    def recorded(self: Compression) -> Callable[[memoryview], Any]:
        compress = compressor(self)

        def recording(frame: memoryview) -> Any:
            sizes.append(len(frame))
            return compress(frame)

        return recording

    monkeypatch.setattr(Compression, "compressor", recorded)
    return sizes


_names = st.sampled_from([f"{a}/{b}{c}" for a in "abc" for b in "xyz" for c in range(6)])
#: Around the sizes at which a file is cut, none and tiny ones, and several frames.
_sizes = st.one_of(
    st.integers(0, 3000),
    st.sampled_from([8191, 8192, 8193, 24576, 24577, 16384, 40960, 65536, 100_000]),
)
_contents = st.builds(_content, st.integers(0, 3), _sizes)
_edits = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _names, _contents),
        st.tuples(st.just("copy"), _names, _names),
        st.tuples(st.just("rename"), _names, _names),
        st.tuples(st.just("remove"), _names),
        st.tuples(st.just("mode"), _names, st.sampled_from(["0600", "0755", "0644"])),
        st.tuples(st.just("forget digest"), _names),
        st.tuples(st.just("reorder"), st.integers(0, 99)),
        st.tuples(st.just("break blob"), st.integers(0, 10**6)),
    ),
    min_size=1,
    max_size=4,
)


def _apply(tree: _Tree, edit: tuple[Any, ...]) -> None:
    match edit:
        case ("put", name, data):
            tree.put(name, data)
        case ("copy", one, two) if one in tree.files:
            tree.put(two, tree.files[one])
        case ("rename", one, two) if one in tree.files:
            tree.put(two, tree.files.pop(one))
            tree.modes.pop(one, None)
        case ("remove", name) if name in tree.files:
            del tree.files[name]
            tree.modes.pop(name, None)
        case ("mode", name, mode) if name in tree.files:
            tree.modes[name] = f'{{"mode": "{mode}"}}'
        case ("forget digest", name):
            tree.unknown ^= {name}
        case ("reorder", seed):
            items = list(tree.files.items())
            random.Random(seed).shuffle(items)
            tree.files = dict(items)
        case ("break blob", at):
            blob = tree.root / "out/layer.blob"
            with blob.open("r+b") as stream:
                stream.seek(at % blob.stat().st_size)
                stream.write(b"?")


@pytest.mark.parametrize("kind", _KINDS)
@settings(max_examples=25, deadline=None)
@given(
    files=st.dictionaries(_names, _contents, min_size=4),
    steps=st.lists(_edits, min_size=1, max_size=5),
)
def test_a_worker_gives_the_bytes_of_a_cold_build(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    files: dict[str, bytes],
    steps: list[list[tuple[Any, ...]]],
) -> None:
    tree = _Tree(tmp_path_factory.mktemp("tree"), kind)
    for name, data in files.items():
        tree.put(name, data)
    tree.check()
    for edits in steps:
        for edit in edits:
            _apply(tree, edit)
        tree.check()


def _many(tmp_path: Path, kind: str = "gzip", **options: Any) -> _Tree:
    tree = _Tree(tmp_path, kind, **options)
    for number in range(200):
        tree.put(f"f{number:03}", _content(number, 1000 + number))
    tree.put("f100b", _content(7, 200_000))
    return tree


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("name", ["f000", "f100", "f100b", "f199"])
def test_a_change_compresses_what_is_near_it(
    tmp_path: Path, opened: list[str], compressed: list[int], kind: str, name: str
) -> None:
    tree = _many(tmp_path, kind)
    tree.check()
    tree.put(name, _content(1234, len(tree.files[name])))
    opened.clear()
    compressed.clear()
    tree.warm()
    assert name in opened
    names = sorted(tree.files)
    assert not set(opened) & set(names[: max(0, names.index(name) - 20)])
    assert sum(compressed) < len(tree.files[name]) + 4 * _TARGET
    tree.check()


def test_what_follows_a_kept_large_file_is_cut_as_ever(tmp_path: Path) -> None:
    # The frame before the large file is full to some extent: that must not count for the next one.
    tree = _many(tmp_path)
    tree.check()
    for number in range(105, 200, 5):
        tree.put("f099", _content(number, 1000))
        tree.put(f"f{number}", _content(number + 1, 1000))
        tree.check()


def test_nothing_changed_and_nothing_is_read(tmp_path: Path, opened: list[str]) -> None:
    tree = _many(tmp_path)
    first = tree.check()
    opened.clear()
    assert tree.warm().blob == first.blob
    assert opened == []


def test_a_change_of_metadata_alone(tmp_path: Path, opened: list[str]) -> None:
    tree = _many(tmp_path)
    tree.check()
    tree.modes = {"f050": '{"mode": "0600"}', "f100b": '{"uid": 7}'}
    opened.clear()
    tree.warm()
    assert {"f050", "f100b"} <= set(opened)
    members = tree.check().members()
    assert (members["f050"].mode, members["f100b"].uid) == (0o600, 7)


def test_an_insertion_and_a_removal_compress_what_is_near_them(
    tmp_path: Path, opened: list[str], compressed: list[int]
) -> None:
    tree = _many(tmp_path)
    tree.check()
    for change in (lambda: tree.put("f050x", b"new"), lambda: tree.files.pop("f050x")):
        change()
        opened.clear()
        compressed.clear()
        tree.warm()
        assert "f020" not in opened
        assert sum(compressed) < 4 * _TARGET
        tree.check()


def test_outputs_that_nobody_wants_keep_no_blob(tmp_path: Path, opened: list[str]) -> None:
    # Of a recipe there is only the digest: what comes before the change is not read again.
    tree = _many(tmp_path)
    options: dict[str, Any] = {"sources": tree.lines(), "compression": tree.compression()}
    from lading.layer.build import LayerRequest, build_layer

    def blob() -> str:
        request = LayerRequest(
            "", metadata=str(tmp_path / "out/m"), inputs=tree.inputs(), cache=tree.cache, **options
        )
        return build_layer(request).digest

    blob()
    tree.put("f180", b"changed")
    opened.clear()
    assert blob() == tree.check().metadata["digest"]
    assert "f001" not in opened[: opened.index("f180")]


def test_a_file_without_a_digest_is_read_each_time(tmp_path: Path) -> None:
    tree = _many(tmp_path)
    tree.unknown = {"f050"}
    tree.check()
    status = (tmp_path / "src/f050").stat()
    tree.put("f050", b"x" * status.st_size)
    os.utime(tmp_path / "src/f050", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert tree.check().content("f050") == b"x" * status.st_size


def test_trees_whose_files_bazel_does_not_list(tmp_path: Path) -> None:
    tree = _many(tmp_path)
    inside = tmp_path / "tree/sub"
    inside.mkdir(parents=True)
    (inside / "file").write_text("one")
    tree.more = [f"T\t/t\t{tmp_path}/tree", f"F\t/s\t{tmp_path}/tree"]
    tree.check()
    (inside / "file").write_text("two")
    assert tree.check().content("s/sub/file") == b"two"


def test_a_file_that_changed_after_bazel_looked_at_it_is_not_kept(tmp_path: Path) -> None:
    tree = _many(tmp_path)
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
    tree = _many(tmp_path)
    for name in ("f010", "f011", "f012"):
        tree.put(name, _content(1, size))
    stated = tree.inputs()
    tree.put("f010", _content(2, size))
    tree.put("f012", _content(3, size))
    warm = tree.warm(inputs=stated)
    cold = build(tmp_path / "cold", tree.lines(), compression=tree.compression())
    assert warm.blob == cold.blob
    tree.check()


@pytest.mark.parametrize("name", ["f150", "f100b"])
@pytest.mark.parametrize("change", ["byte", "longer", "much longer", "shorter", "gone"])
@pytest.mark.parametrize("kind", _KINDS)
def test_a_file_behind_a_change_that_is_not_what_bazel_says(
    tmp_path: Path, name: str, change: str, kind: str
) -> None:
    # Its frame is kept, and read again for what follows the change.
    tree = _many(tmp_path, kind)
    tree.check()
    tree.put("f000", b"changed")
    stated = tree.inputs()
    before = tree.files[name]
    after = {
        "byte": b"#" + before[1:],
        "longer": before + b"#",
        "much longer": before + bytes(400_000),
        "shorter": before[:-1],
    }
    tree.put(name, after.get(change, b""))
    if change == "gone":
        (tmp_path / "src" / name).unlink()
        with pytest.raises(NotFoundError, match=f"{name} is not there"):
            tree.warm(inputs=stated)
        assert list((tmp_path / "out").iterdir()) == []
        return
    warm = tree.warm(inputs=stated)
    cold = build(tmp_path / "cold", tree.lines(), compression=tree.compression())
    assert warm.blob == cold.blob
    tree.check()


def test_a_file_that_fills_the_buffer_before_many_headers(tmp_path: Path) -> None:
    # Frames as they really are: 400 headers fit one, and not what is left of a buffer then.
    tree = _Tree(tmp_path, target=1 << 20)
    tree.put("a", _content(1, 600_000))
    tree.put("b", b"small")
    tree.more = [f"L\t/c{number:03}\tb" for number in range(400)]
    tree.check()
    tree.put("a", _content(2, 600_000))
    stated = tree.inputs()
    tree.put("b", _content(3, 2_090_000))
    warm = tree.warm(inputs=stated)
    cold = build(tmp_path / "cold", tree.lines(), compression=tree.compression())
    assert warm.blob == cold.blob


@pytest.mark.parametrize("change", ["byte", "truncate"])
def test_a_blob_that_was_changed_in_place_is_not_used(tmp_path: Path, change: str) -> None:
    tree = _many(tmp_path)
    tree.check()
    blob = tmp_path / "out/layer.blob"
    if change == "byte":
        with blob.open("r+b") as stream:
            stream.seek(blob.stat().st_size // 2)
            stream.write(b"??")
    else:
        os.truncate(blob, 1000)
    tree.check()


def test_another_profile_of_the_same_level_is_another_compression(tmp_path: Path) -> None:
    tree = _many(tmp_path, kind="zstd")
    one, other = Compression("zstd", "small"), Compression("zstd", level=3)
    assert one.level == other.level
    first = build(
        tmp_path / "out", tree.lines(), compression=one, inputs=tree.inputs(), cache=tree.cache
    )
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    warm = build(
        tmp_path / "out", tree.lines(), compression=other, inputs=tree.inputs(), cache=tree.cache
    )
    cold = build(tmp_path / "cold", tree.lines(), compression=other)
    assert first.blob != cold.blob
    assert warm.blob == cold.blob


def test_a_failure_keeps_what_was_there(tmp_path: Path, opened: list[str]) -> None:
    tree = _many(tmp_path)
    tree.check()
    tree.more = ["F\t/z\t/nonexistent"]
    with pytest.raises(NotFoundError):
        tree.warm()
    assert list((tmp_path / "out").iterdir()) == []
    tree.more = []
    opened.clear()
    tree.warm()
    assert opened == []


def test_digests_as_the_json_protocol_has_them(tmp_path: Path, opened: list[str]) -> None:
    tree = _many(tmp_path, form=lambda text: base64.b64encode(text.encode()).decode())
    tree.check()
    opened.clear()
    tree.warm()
    assert opened == []


def test_digests_of_another_function_are_of_no_use(tmp_path: Path, opened: list[str]) -> None:
    tree = _many(tmp_path, form=lambda text: hashlib.sha256(text.encode()).hexdigest())
    tree.put("f150", tree.files["f020"])
    tree.check()
    opened.clear()
    tree.warm()
    assert len(set(opened)) == len(tree.files)


def test_memory_is_bounded(tmp_path: Path, opened: list[str]) -> None:
    tree = _many(tmp_path, cache=FrameCache(0))
    tree.check()
    opened.clear()
    tree.warm()
    assert len(set(opened)) == len(tree.files)

    kept = FrameCache(1 << 20)
    for number in range(30):
        other = _many(tmp_path / str(number), cache=kept)
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
    tree = _many(tmp_path)
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
    tree = _many(tmp_path)
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
    tree = _many(tmp_path)

    def dup(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", dup)
        tree.check()
    assert tree.cache.get(str(tmp_path / "out/layer.blob"), tree.compression()) is None
    tree.check()
