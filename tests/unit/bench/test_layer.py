"""The layer benchmark is honest: equal inputs, equal outputs, a word where there are none."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from zstandard import ZstdCompressor

from tests.bench import layer_packages
from tests.bench.layer_check import check
from tests.bench.layer_corpus import Stream
from tests.bench.layer_inputs import Tree, Wheels, existing_tree, make_tree
from tests.bench.layer_limit import STAGES, limit
from tests.bench.measure import measure


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "tree"
    (root / "b").mkdir(parents=True)
    (root / "a").write_bytes(b"same")
    (root / "b" / "c").write_bytes(b"same")
    (root / "b" / "d").write_bytes(bytes(100_000))
    return existing_tree(root)


def _archive(tree: Tree, prefix: str, *, without: str = "", other: bytes = b"") -> bytes:
    """A tar of `tree` in which `a` and `b/c` are one file, as layers have it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in tree.files:
            info = tarfile.TarInfo(prefix + name)
            data = other or (tree.root / name).read_bytes()
            info.size = len(data)
            if name == "b/c":
                info.type, info.linkname, info.size = tarfile.LNKTYPE, f"{prefix}a", 0
            if name != without:
                archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("prefix", ["data/", "./", ""])
def test_a_layer_of_the_trees_files_passes(tree: Tree, tmp_path: Path, prefix: str) -> None:
    archive = _archive(tree, prefix)
    half = len(archive) // 2
    blob = tmp_path / "blob"
    for compress in (gzip.compress, ZstdCompressor().compress):
        blob.write_bytes(compress(archive[:half]) + compress(archive[half:]))
        assert check(tree, blob, prefix.removeprefix("./"))


def test_a_layer_of_other_files_does_not(tree: Tree, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    for archive in (
        _archive(tree, "data/", without="b/d"),
        _archive(tree, "data/", other=b"else"),
        _archive(Tree(tree.root, [*tree.files, "../tree/a"], 0), "data/"),
        _archive(tree, "elsewhere/"),
    ):
        blob.write_bytes(gzip.compress(archive))
        assert not check(tree, blob, "data/")


def _wheel(directory: Path, name: str, files: dict[str, bytes]) -> str:
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(directory / name, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return hashlib.sha256((directory / name).read_bytes()).hexdigest()


def test_wheels_that_are_there_are_taken_by_their_hash(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    one = _wheel(cache, "renamed.whl", {"x.py": b"x"})
    two = _wheel(cache, "two.whl", {"y.py": b"y"})
    lock = tmp_path / "lock"
    lock.write_text(f"# comment\ntwo==1 --hash=sha256:{two}\none==1 --hash=sha256:{one}\n")
    assert layer_packages.fetch([lock], cache) == [cache / "two.whl", cache / "renamed.whl"]


def test_wheels_that_cannot_be_had_are_an_error_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    lock = tmp_path / "lock"
    lock.write_text(f"nothing==1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(layer_packages.UnavailableError, match=r"pip download failed: ."):
        layer_packages.fetch([lock], tmp_path / "cache")


def test_locks_pin_one_wheel_of_each_project() -> None:
    for lock in (layer_packages.PACKAGES, layer_packages.OBJECTS):
        lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
        assert all(line.count("==") == line.count(" --hash=sha256:") == 1 for line in lines)
        assert len({line.partition("==")[0] for line in lines}) == len(lines)


def test_the_same_wheels_make_the_same_tree(tmp_path: Path) -> None:
    files = {"p/a.py": b"text " * 50_000, "p/b.so": bytes(70_000), "p/c.txt": b"more " * 9}
    _wheel(tmp_path / "cache", "p.whl", files)
    wheels = Wheels([tmp_path / "cache" / "p.whl"], [])
    packages = make_tree("a", tmp_path / "a", wheels)
    assert packages.files == sorted(files)
    assert packages.bytes == sum(map(len, files.values()))
    tiny = [make_tree("c", tmp_path / name, wheels) for name in ("c", "again")]
    assert tiny[0].bytes == 1800
    assert tiny[0].fingerprint() == tiny[1].fingerprint() != packages.fingerprint()


def test_a_wheel_is_unpacked_up_to_a_size(tmp_path: Path) -> None:
    _wheel(tmp_path, "w.whl", {"a.so": b"a" * 10, "b.py": b"b", "c.so": b"c" * 10, "d.so": b"d"})
    root = tmp_path / "root"
    written = layer_packages.unpack(
        tmp_path / "w.whl", root, matching=lambda name: ".so" in name, most=15
    )
    assert written == 15
    assert (root / "c.so").read_bytes() == b"c" * 5
    assert sorted(path.name for path in root.iterdir()) == ["a.so", "c.so"]


def test_a_stream_gives_everything_and_begins_again() -> None:
    stream = Stream(lambda: iter([b"abc", b"", b"de"]))
    assert b"".join(stream.take(4)) == b"abcd"
    assert b"".join(stream.take(7)) == b"eabcdea"
    with pytest.raises(SystemExit, match="nothing to make"):
        list(Stream(lambda: iter([b""])).take(1))


@pytest.mark.parametrize("kind", ["gzip", "zstd", "none"])
def test_the_limit_is_a_sum_of_all_stages(tree: Tree, tmp_path: Path, kind: str) -> None:
    found = limit(tree, kind, "fast", tmp_path)
    assert list(found.seconds) == list(STAGES)
    assert found.cpu == sum(found.seconds.values()) >= found.least > 0
    assert found.size == (tmp_path / "blob").stat().st_size > 0


def test_what_a_command_takes_is_its_own() -> None:
    ballast = bytearray(b"x") * (200 << 20)
    quiet = measure(["/bin/sh", "-c", "exit 3"], {})
    assert quiet.code == 3
    assert quiet.peak < 50 << 20 < len(ballast)
    slow = measure(["/bin/sh", "-c", "sleep 0.2"], {"PATH": "/usr/bin:/bin"})
    assert slow.code == 0
    assert slow.seconds >= 0.2 > slow.cpu
