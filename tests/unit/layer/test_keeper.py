"""Layers of a worker: the bytes of a cold build, from as little reading as the change allows."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.layer.compress import Compression
from tests.unit.layer.bench import build
from tests.unit.layer.kept_tree import KINDS, TARGET, Tree, content, many


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

_contents = st.builds(content, st.integers(0, 3), _sizes)

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


def _apply(tree: Tree, edit: tuple[Any, ...]) -> None:
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


@pytest.mark.parametrize("kind", KINDS)
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
    tree = Tree(tmp_path_factory.mktemp("tree"), kind)
    for name, data in files.items():
        tree.put(name, data)
    tree.check()
    for edits in steps:
        for edit in edits:
            _apply(tree, edit)
        tree.check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["f000", "f100", "f100b", "f199"])
def test_a_change_compresses_what_is_near_it(
    tmp_path: Path, opened: list[str], compressed: list[int], kind: str, name: str
) -> None:
    tree = many(tmp_path, kind)
    tree.check()
    tree.put(name, content(1234, len(tree.files[name])))
    opened.clear()
    compressed.clear()
    tree.warm()
    assert name in opened
    names = sorted(tree.files)
    assert not set(opened) & set(names[: max(0, names.index(name) - 20)])
    assert sum(compressed) < len(tree.files[name]) + 4 * TARGET
    tree.check()


def test_what_follows_a_kept_large_file_is_cut_as_ever(tmp_path: Path) -> None:
    # The frame before the large file is full to some extent: that must not count for the next one.
    tree = many(tmp_path)
    tree.check()
    for number in range(105, 200, 5):
        tree.put("f099", content(number, 1000))
        tree.put(f"f{number}", content(number + 1, 1000))
        tree.check()


def test_a_hard_link_whose_first_name_is_gone(tmp_path: Path) -> None:
    # The frames in which the other names are have not changed but for what they are links to.
    tree = many(tmp_path)
    for name in ("f000", "f060", "f140", "f190"):
        tree.put(name, content(5, 1500))
    tree.check()
    for first, second in (("f000", "f060"), ("f060", "f140"), ("f140", "f190")):
        assert tree.check().members()["f190"].linkname == first
        tree.put(first, b"of its own")
        members = tree.check().members()
        assert members[second].isreg()


def test_nothing_changed_and_nothing_is_read(tmp_path: Path, opened: list[str]) -> None:
    tree = many(tmp_path)
    first = tree.check()
    opened.clear()
    assert tree.warm().blob == first.blob
    assert opened == []


def test_a_change_of_metadata_alone(tmp_path: Path, opened: list[str]) -> None:
    tree = many(tmp_path)
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
    tree = many(tmp_path)
    tree.check()
    for change in (lambda: tree.put("f050x", b"new"), lambda: tree.files.pop("f050x")):
        change()
        opened.clear()
        compressed.clear()
        tree.warm()
        assert "f020" not in opened
        assert sum(compressed) < 4 * TARGET
        tree.check()


def test_outputs_that_nobody_wants_keep_no_blob(tmp_path: Path, opened: list[str]) -> None:
    # Of a recipe there is only the digest: what comes before the change is not read again.
    tree = many(tmp_path)
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


def test_trees_whose_files_bazel_does_not_list(tmp_path: Path) -> None:
    tree = many(tmp_path)
    inside = tmp_path / "tree/sub"
    inside.mkdir(parents=True)
    (inside / "file").write_text("one")
    tree.more = [f"T\t/t\t{tmp_path}/tree", f"F\t/s\t{tmp_path}/tree"]
    tree.check()
    (inside / "file").write_text("two")
    assert tree.check().content("s/sub/file") == b"two"


def test_another_profile_of_the_same_level_is_another_compression(tmp_path: Path) -> None:
    tree = many(tmp_path, kind="zstd")
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


def test_digests_as_the_json_protocol_has_them(tmp_path: Path, opened: list[str]) -> None:
    tree = many(tmp_path, form=lambda text: base64.b64encode(text.encode()).decode())
    tree.check()
    opened.clear()
    tree.warm()
    assert opened == []


def test_digests_of_another_function_are_of_no_use(tmp_path: Path, opened: list[str]) -> None:
    tree = many(tmp_path, form=lambda text: hashlib.sha256(text.encode()).hexdigest())
    tree.put("f150", tree.files["f020"])
    tree.check()
    opened.clear()
    tree.warm()
    assert len(set(opened)) == len(tree.files)
